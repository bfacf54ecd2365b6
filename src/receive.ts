import {openListener, type Listener, type ListenOptions} from './listener.ts';
import type {OfferOption} from './offer.ts';
import type {FilePath} from './path.ts';
import {sinkJob, type DurabilityOption} from './session.ts';

/** What {@link receive} takes. */
export interface ReceiveOptions extends ListenOptions, DurabilityOption, OfferOption {
  /** The folder to write into; created if missing. Nothing that exists in it is ever overwritten. */
  readonly directory: FilePath;
}

/** A listener that writes what peers send into its folder. */
export type Receiver = Listener;

/**
 * Listens for peers that send files with the receiver's ticket. Rejects with a {@link HawserError}: `PORT_IN_USE`,
 * `ADDRESS_UNAVAILABLE`, `PERMISSION_DENIED`, `INVALID_OPTION` and others.
 */
export async function receive(options: ReceiveOptions): Promise<Receiver> {
  return openListener(sinkJob(options.directory, options), options);
}
