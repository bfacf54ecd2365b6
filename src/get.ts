import type {Destination} from './destination.ts';
import {startTransfer, type DialOptions} from './dial.ts';
import type {OfferOption} from './offer.ts';
import type {FilePath} from './path.ts';
import {sinkJob, type CheckOptions, type DurabilityOption} from './session.ts';
import type {Transfer} from './transfer.ts';

/** What {@link get} takes. */
export interface GetOptions extends DialOptions, DurabilityOption, CheckOptions, OfferOption {
  /** The folder to write into; created if missing. Nothing that exists in it is ever overwritten. */
  readonly directory: FilePath;
}

/**
 * Fetches what a sharer offers, named by its ticket; or by where it is and its key, if it lets this side in without one. Throws a {@link HawserError} where nothing could be started:
 * `TICKET_INVALID`, `TICKET_DIRECTION`, `INVALID_OPTION`, `NATIVE_LOAD`. All that happens later rejects `finished()`.
 */
export function get(from: Destination, options: GetOptions): Transfer {
  return startTransfer(from, sinkJob(options.directory, options), options);
}
