import {verify as startVerification} from './native.ts';
import {toPathBytes, type FilePath} from './path.ts';
import {Verification} from './verification.ts';

/** What {@link verify} takes. */
export interface VerifyOptions {
  /**
   * By which records to go: `'newest'`, that of the session that began last; `'all'`, every one that is kept; or a
   * session's name, as in `sessions` of a report and, with `.b3` behind it, in `.hawser/records`. Of a file that
   * several of them name, the newest counts. Default: `'newest'`.
   */
  readonly session?: string | undefined;
  /** Aborting it ends the verification, as `close()` does, but rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Hashes what past sessions delivered into a folder again and compares it with their records, of which the folder
 * keeps the newest 16. Changes nothing. Files that a session found there with their size and time, it did not hash:
 * they are on no record of its own. A session whose record would have taken more than 64 MiB, which is half a million
 * files, has an empty one, and that is an error. Throws a {@link HawserError} where nothing could be started:
 * `INVALID_OPTION`, `NATIVE_LOAD`. All that happens later rejects `finished()`.
 */
export function verify(directory: FilePath, options: VerifyOptions = {}): Verification {
  const {session = 'newest', signal} = options;
  const native = startVerification({
    directory: toPathBytes(directory),
    all: session === 'all',
    ...(session === 'all' || session === 'newest' ? {} : {session}),
  });
  return new Verification(native, signal);
}
