import type {NativeProgress} from './native.ts';
import {RateMeter} from './rate.ts';

/**
 * Where a transfer stands. When all connections were lost and it goes on over new ones, everything is looked at again:
 * what there is to do and what is done count from 0 then.
 */
export interface Progress {
  /** `reconnecting` while all connections are lost; `ended` also when it failed: `finished()` tells. */
  readonly state: 'connecting' | 'running' | 'reconnecting' | 'ended';
  /**
   * Whether the side that writes has begun to take what is offered. Until then its user may be thinking about it: see
   * {@link OfferOption.onOffer}.
   */
  readonly accepted: boolean;
  /** Whether the source is still finding entries, so that the totals still grow. */
  readonly walking: boolean;
  /** Files found so far. */
  readonly filesTotal: number;
  /** Files settled: delivered, already there or failed. */
  readonly filesDone: number;
  /** Of those done, the files that were already there. */
  readonly filesPresent: number;
  /** Files transferred and in their place. */
  readonly filesDelivered: number;
  /** Entries of any kind that failed. */
  readonly failed: number;
  /** Bytes of the files found so far. */
  readonly bytesTotal: number;
  /** Bytes done, those already there included. */
  readonly bytesDone: number;
  /** Of those done, the bytes that were already there. */
  readonly bytesPresent: number;
  /** Of those done, the bytes of unfinished files that were there from an earlier transfer. */
  readonly bytesResumed: number;
  /** Files begun by an earlier transfer that had to start over. */
  readonly restarted: number;
  /** Bytes of files transferred and in their place. */
  readonly bytesDelivered: number;
  /** TCP connections in use. */
  readonly lanes: number;
  /** How often all connections were lost and the transfer went on over new ones. */
  readonly reconnects: number;
  /** While the state is `reconnecting`, how that goes; else null. */
  readonly outage: Outage | null;
  /** Milliseconds since the first connection. */
  readonly elapsedMs: number;
  /** Bytes a second, averaged over the last few seconds. */
  readonly bytesPerSecond: number;
  /** Milliseconds left at this rate; null while that cannot be said. */
  readonly etaMs: number | null;
}

/** All connections are lost, and new ones are tried. */
export interface Outage {
  /** The attempt under way or about to be: 1 is the first. */
  readonly attempt: number;
  /** Milliseconds since the loss. */
  readonly elapsedMs: number;
  /** After so many milliseconds since the loss it is given up; Infinity: never. */
  readonly retryMs: number;
  /** What the connections were lost by, or what the last attempt failed by, for people. Not for display as it is. */
  readonly reason: string;
}

/**
 * Turns the binding's counters into progress; keeps what the rate needs from one snapshot to the next.
 * @internal
 */
export class ProgressReader {
  readonly #meter = new RateMeter();

  read(native: NativeProgress): Progress {
    const bytesPerSecond = this.#meter.measure(native.bytesMoved, native.elapsedMs);
    return {
      state: native.state,
      accepted: native.accepted,
      walking: native.walking,
      filesTotal: native.filesTotal,
      filesDone: native.filesDone,
      filesPresent: native.filesPresent,
      filesDelivered: native.filesDelivered,
      failed: native.failed,
      bytesTotal: native.bytesTotal,
      bytesDone: native.bytesDone,
      bytesPresent: native.bytesPresent,
      bytesResumed: native.bytesResumed,
      restarted: native.restarted,
      bytesDelivered: native.bytesDelivered,
      lanes: native.lanes,
      reconnects: native.reconnects,
      outage: native.outage ?? null,
      elapsedMs: native.elapsedMs,
      bytesPerSecond,
      etaMs:
        native.walking || native.outage ? null : eta(native.bytesTotal - native.bytesDone, bytesPerSecond),
    };
  }
}

function eta(bytesLeft: number, bytesPerSecond: number): number | null {
  if (bytesLeft <= 0) return 0;
  const ms = (bytesLeft / bytesPerSecond) * 1000;
  // Of a transfer that stands still, or nearly so, nothing can be said.
  return ms < longestEtaMs ? ms : null;
}

const longestEtaMs = 100 * 3_600_000;
