import type {Destination} from './destination.ts';
import {startTransfer, type DialOptions} from './dial.ts';
import type {FilePath} from './path.ts';
import {sourceJob, type CheckOptions} from './session.ts';
import type {Transfer} from './transfer.ts';

/** What {@link send} takes. */
export interface SendOptions extends DialOptions, CheckOptions {
  /** The receiver's ticket; or where it is and its key, if it lets this side in without one. */
  readonly to: Destination;
}

/**
 * Sends files and folders, all at once, to a receiver. Each arrives under its own last name; a path that is not there
 * or cannot be read fails alone, if there are others. Throws a {@link HawserError} where nothing could be started, before
 * anything is dialled: `NOT_FOUND` or `PERMISSION_DENIED` where none of the paths is there or can be read, `TICKET_INVALID`,
 * `TICKET_DIRECTION`, `INVALID_OPTION`, `NATIVE_LOAD`. All that happens later rejects `finished()`.
 */
export function send(paths: readonly FilePath[], options: SendOptions): Transfer {
  return startTransfer(options.to, sourceJob(paths, options), options);
}
