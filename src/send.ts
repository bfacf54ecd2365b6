import {startTransfer, type DialOptions} from './dial.ts';
import type {FilePath} from './path.ts';
import {sourceJob, type CheckOptions} from './session.ts';
import type {Transfer} from './transfer.ts';

/** What {@link send} takes. */
export interface SendOptions extends DialOptions, CheckOptions {
  /** The receiver's ticket. */
  readonly to: string;
}

/**
 * Sends files and folders, all at once, to the receiver that a ticket names. Each arrives under its own last name; a
 * path that cannot be read fails alone. Throws a {@link HawserError} where nothing could be started: `TICKET_INVALID`,
 * `TICKET_DIRECTION`, `INVALID_OPTION`, `NATIVE_LOAD`. All that happens later rejects `finished()`.
 */
export function send(paths: readonly FilePath[], options: SendOptions): Transfer {
  return startTransfer(options.to, sourceJob(paths, options), options);
}
