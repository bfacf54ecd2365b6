import {addAbortListener} from 'node:events';
import {setImmediate} from 'node:timers/promises';
import {HawserError} from './errors.ts';
import {toError, type NativeVerification} from './native.ts';
import {RateMeter} from './rate.ts';
import {integer} from './session.ts';
import {snapshots} from './snapshots.ts';

/** Where a verification stands. */
export interface VerifyProgress {
  /** Files on record; 0 until that has been read. */
  readonly filesTotal: number;
  /** Files looked at. */
  readonly filesDone: number;
  /** Of those done, the ones that are not as they were delivered. */
  readonly different: number;
  /** Bytes read and hashed. A record does not say how many there will be. */
  readonly bytesDone: number;
  /** Milliseconds since it began. */
  readonly elapsedMs: number;
  /** Bytes a second, averaged over the last few seconds. */
  readonly bytesPerSecond: number;
}

/** What a verification found out. That files differ does not fail it: look at `differences`. */
export interface VerifyReport {
  /** The sessions whose records it went by, the newest first, such as `20261122T184512.345Z-1a2b3c4d`. */
  readonly sessions: readonly string[];
  /** Files on these records, all of which were looked at. */
  readonly files: number;
  /** Bytes read and hashed. */
  readonly bytes: number;
  /** Milliseconds it took. */
  readonly durationMs: number;
  /** The files that are not as they were delivered, in order of their paths; empty when all are. */
  readonly differences: readonly Difference[];
}

/** A file that is not as it was delivered. */
export interface Difference {
  /** Relative to the folder, separated by `/`; bytes that are not UTF-8 are replaced. Not for display as it is. */
  readonly path: string;
  /**
   * `changed`: its content has another hash, or a folder, a link or something else has its name; no link is followed.
   * `missing`: nothing has its name. `unreadable`: the operating system would not let it be read.
   */
  readonly change: 'changed' | 'missing' | 'unreadable';
  /** What has become of it, for people. */
  readonly message: string;
}

/** A look at what past sessions delivered into a folder. It runs whether or not anyone looks. */
export class Verification implements AsyncDisposable {
  readonly #native: NativeVerification;
  readonly #signal: AbortSignal | undefined;
  readonly #ended = new AbortController();
  readonly #report: Promise<VerifyReport>;

  /** @internal */
  constructor(native: NativeVerification, signal: AbortSignal | undefined) {
    this.#native = native;
    this.#signal = signal;
    this.#report = this.#run();
    // Whoever asks finished() learns of a failure; that nobody asks is no reason to end the process.
    this.#report.catch(() => {});
  }

  /**
   * Snapshots, one every `intervalMs` milliseconds, 10 to 60,000, until the verification has ended; the last one shows
   * how far it came. Leaving the loop early does not end it. The loop never throws; an interval out of range is an
   * `INVALID_OPTION` at once.
   */
  progress(intervalMs = 100): AsyncGenerator<VerifyProgress, void, undefined> {
    const meter = new RateMeter();
    const read = (): VerifyProgress => {
      const {filesTotal, filesDone, different, bytesDone, elapsedMs} = this.#native.progress();
      const bytesPerSecond = meter.measure(bytesDone, elapsedMs);
      return {filesTotal, filesDone, different, bytesDone, elapsedMs, bytesPerSecond};
    };
    return snapshots(read, integer('interval of progress', intervalMs, 10, 60_000), this.#ended.signal);
  }

  /**
   * Resolves when every file on record has been looked at. Rejects with a {@link HawserError}: `NOT_FOUND` when there
   * is no such folder or no record in it, `IO` when a record is damaged, `CANCELLED` after `close()`, and others that
   * the disk gives reason for; with the signal's reason when its signal was aborted.
   */
  finished(): Promise<VerifyReport> {
    return this.#report;
  }

  /** Ends the verification if it still runs, which then fails with `CANCELLED`. Resolves when it has ended. */
  async close(): Promise<void> {
    this.#native.cancel();
    await this.#report.catch(() => {});
  }

  /** The same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(): Promise<VerifyReport> {
    const listening = this.#signal && addAbortListener(this.#signal, () => this.#native.cancel());
    try {
      const failure = await this.#native.finished();
      if (failure?.code === 'CANCELLED') {
        this.#signal?.throwIfAborted();
        throw new HawserError('CANCELLED', 'the verification was stopped');
      }
      if (failure) throw toError(failure);
      const {filesDone, bytesDone, elapsedMs} = this.#native.progress();
      return {
        sessions: this.#native.sessions(),
        files: filesDone,
        bytes: bytesDone,
        durationMs: elapsedMs,
        differences: await takeDifferences(this.#native),
      };
    } finally {
      listening?.[Symbol.dispose]();
      this.#ended.abort();
    }
  }
}

async function takeDifferences(native: NativeVerification): Promise<Difference[]> {
  const differences: Difference[] = [];
  for (;;) {
    const page = native.takeDifferences(pageDifferences);
    if (page.length === 0) return differences;
    differences.push(...page);
    await setImmediate();
  }
}

/** Page by page, so that the event loop turns meanwhile: all of a million files may be missing. */
const pageDifferences = 1000;
