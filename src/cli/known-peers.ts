import {join} from 'node:path';
import {KnownPeers, type Peer, type ReservedName} from '../index.ts';
import {displayName} from './display.ts';
import type {Acquaintance} from './events.ts';
import {configFolder, NotKept} from './identity.ts';
import type {Reporter} from './reporter.ts';

/** The file of the user's known peers: beside the user's key. */
export function openKnownPeers(): KnownPeers {
  return new KnownPeers(join(configFolder(), 'known_peers'));
}

/** What a command that transfers knows of its peers, and comes to know. */
export class Memory {
  readonly #peers: KnownPeers | undefined;
  readonly #report: Reporter;
  #complained = false;

  constructor(report: Reporter) {
    this.#peers = findKnownPeers();
    this.#report = report;
  }

  /** The names that the user gave. A list that cannot be read is an error: it may say who is to be refused. */
  async reservedNames(): Promise<readonly ReservedName[]> {
    const peers = (await this.#peers?.list()) ?? [];
    return peers.filter(({named}) => named);
  }

  /** Rejects when another key is known at an address of the ticket. */
  async check(ticket: string): Promise<void> {
    await this.#peers?.check(ticket);
  }

  /** Remembers a peer, dialled by a ticket or not. That it cannot be remembered is a notice, the first time. */
  async remember(peer: Peer, ticket?: string): Promise<Acquaintance> {
    if (!this.#peers) return stranger;
    try {
      const {peer: known, isNew} = await this.#peers.remember(peer, {ticket});
      return {knownAs: known.name, isNew};
    } catch (error) {
      if (!this.#complained) this.#complain(peer, error);
      this.#complained = true;
      // It may be known from before all the same.
      const known = await this.#peers.list().catch(() => []);
      return {...stranger, knownAs: known.find(({publicKey}) => publicKey === peer.publicKey)?.name ?? null};
    }
  }

  #complain({name, address}: Peer, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    const who = name === '' ? address : displayName(name, 40);
    this.#report({event: 'notice', message: `${who} is not remembered: ${reason}`});
  }
}

const stranger: Acquaintance = {knownAs: null, isNew: false};

/** Whoever has no home has had a word about that already. */
function findKnownPeers(): KnownPeers | undefined {
  try {
    return openKnownPeers();
  } catch (error) {
    if (error instanceof NotKept) return undefined;
    throw error;
  }
}
