import type {NativeProgress} from './native.ts';
import {RateMeter} from './rate.ts';

/** Where a transfer stands. */
export interface Progress {
  /** `ended` also when it failed: `finished()` tells. */
  readonly state: 'connecting' | 'running' | 'ended';
  /** Whether the source is still finding entries, so that the totals still grow. */
  readonly walking: boolean;
  /** Files found so far. */
  readonly filesTotal: number;
  /** Files settled: delivered, already there or failed. */
  readonly filesDone: number;
  /** Of those done, the files that were already there. */
  readonly filesPresent: number;
  /** Entries of any kind that failed. */
  readonly failed: number;
  /** Bytes of the files found so far. */
  readonly bytesTotal: number;
  /** Bytes done, those already there included. */
  readonly bytesDone: number;
  /** Of those done, the bytes that were already there. */
  readonly bytesPresent: number;
  /** TCP connections in use. */
  readonly lanes: number;
  /** Milliseconds since the session began. */
  readonly elapsedMs: number;
  /** Bytes a second, averaged over the last few seconds. */
  readonly bytesPerSecond: number;
  /** Milliseconds left at this rate; null while that cannot be said. */
  readonly etaMs: number | null;
}

/**
 * Turns the binding's counters into progress; keeps what the rate needs from one snapshot to the next.
 * @internal
 */
export class ProgressReader {
  readonly #meter = new RateMeter();

  read(native: NativeProgress): Progress {
    const bytesPerSecond = this.#meter.measure(native.bytesDone - native.bytesPresent, native.elapsedMs);
    return {
      state: native.state,
      walking: native.walking,
      filesTotal: native.filesTotal,
      filesDone: native.filesDone,
      filesPresent: native.filesPresent,
      failed: native.failed,
      bytesTotal: native.bytesTotal,
      bytesDone: native.bytesDone,
      bytesPresent: native.bytesPresent,
      lanes: native.lanes,
      elapsedMs: native.elapsedMs,
      bytesPerSecond,
      etaMs: native.walking ? null : eta(native.bytesTotal - native.bytesDone, bytesPerSecond),
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
