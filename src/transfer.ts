import {addAbortListener} from 'node:events';
import {HawserError} from './errors.ts';
import {toError, type NativeTransfer} from './native.ts';
import type {Peer} from './peer.ts';
import {ProgressReader, type Progress} from './progress.ts';
import {makeReport, type Report} from './report.ts';
import {checkLimit, integer} from './session.ts';
import {snapshots} from './snapshots.ts';

/** Files that are moved, on either side and in either direction. It runs whether or not anyone looks. */
export class Transfer implements AsyncDisposable {
  readonly #native: NativeTransfer;
  readonly #signal: AbortSignal | undefined;
  readonly #ended = new AbortController();
  readonly #report: Promise<Report>;

  /** @internal */
  constructor(native: NativeTransfer, signal: AbortSignal | undefined) {
    this.#native = native;
    this.#signal = signal;
    this.#report = this.#run();
    // Whoever asks finished() learns of a failure; that nobody asks is no reason to end the process.
    this.#report.catch(() => {});
  }

  /** Who is at the other end; undefined until it has proved who it is. */
  get peer(): Peer | undefined {
    return this.#native.peer() ?? undefined;
  }

  /**
   * Snapshots, one every `intervalMs` milliseconds, 10 to 60,000, until the transfer has ended; the last one shows how
   * it ended. Leaving the loop early does not end the transfer, and a slow reader only gets fewer snapshots. The loop
   * never throws; an interval out of range is an `INVALID_OPTION` at once.
   */
  progress(intervalMs = 100): AsyncGenerator<Progress, void, undefined> {
    const reader = new ProgressReader();
    const read = (): Progress => reader.read(this.#native.progress());
    return snapshots(read, integer('interval of progress', intervalMs, 10, 60_000), this.#ended.signal);
  }

  /**
   * Resolves when the transfer is complete, with every entry delivered, found there or reported as failed. Rejects
   * with a {@link HawserError} when it failed, and with the signal's reason when its signal was aborted.
   */
  finished(): Promise<Report> {
    return this.#report;
  }

  /**
   * Limits the transfer to so many bytes a second, sent and received together, from now on; undefined lifts the limit.
   * That of its listener, where it has one, holds as well. Throws an `INVALID_OPTION` unless it is a whole number,
   * 10,000 or more. Does nothing once the transfer has ended.
   */
  setLimit(bytesPerSecond: number | undefined): void {
    const failure = this.#native.setLimit(checkLimit(bytesPerSecond));
    if (failure) throw toError(failure);
  }

  /**
   * Ends the transfer if it still runs, which then fails with `CANCELLED`; what is delivered stays. Resolves when
   * it has ended. Can be called more than once.
   */
  async close(): Promise<void> {
    this.#native.cancel();
    await this.#report.catch(() => {});
  }

  /** The same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(): Promise<Report> {
    const listening = this.#signal && addAbortListener(this.#signal, () => this.#native.cancel());
    try {
      const failure = await this.#native.finished();
      if (failure?.code === 'CANCELLED') this.#signal?.throwIfAborted();
      if (failure) throw toError(failure);
      const {peer} = this;
      if (!peer) throw new HawserError('INTERNAL', 'the transfer is complete but its peer is unknown');
      return await makeReport(this.#native, peer);
    } finally {
      listening?.[Symbol.dispose]();
      this.#ended.abort();
    }
  }
}
