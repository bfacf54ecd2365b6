import {openListener, type Listener, type ListenOptions} from './listener.ts';
import type {FilePath} from './path.ts';
import {sourceJob} from './session.ts';

/** What {@link share} takes. */
export type ShareOptions = ListenOptions;

/** A listener that sends its files to every peer that fetches them. */
export type Sharer = Listener;

/**
 * Listens for peers that fetch these files and folders with the sharer's ticket. They are read anew for each peer.
 * Rejects with a {@link HawserError}: `PORT_IN_USE`, `ADDRESS_UNAVAILABLE`, `INVALID_OPTION` and others.
 */
export async function share(paths: readonly FilePath[], options: ShareOptions = {}): Promise<Sharer> {
  return openListener(sourceJob(paths, options), options);
}
