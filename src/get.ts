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
 * Fetches what the sharer that a ticket names offers. Throws a {@link HawserError} where nothing could be started:
 * `TICKET_INVALID`, `TICKET_DIRECTION`, `INVALID_OPTION`, `NATIVE_LOAD`. All that happens later rejects `finished()`.
 */
export function get(ticket: string, options: GetOptions): Transfer {
  return startTransfer(ticket, sinkJob(options.directory, options), options);
}
