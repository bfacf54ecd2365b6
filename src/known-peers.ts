import {isIPv6} from 'node:net';
import {splitAddress, toNativeDestination, type Destination} from './destination.ts';
import {HawserError} from './errors.ts';
import type {PublicIdentity} from './identity.ts';
import * as native from './native.ts';
import {toPathBytes, type FilePath} from './path.ts';
import type {Peer} from './peer.ts';

/** A peer that has proved its key before. */
export interface KnownPeer extends PublicIdentity {
  /** What it is called here: 1 to 64 ASCII letters, digits, `.`, `_` and `-`, of one peer only. Safe to show. */
  readonly name: string;
  /** Whether {@link KnownPeers.name} gave it the name, and not its own label. */
  readonly named: boolean;
  /** The day on which it was last remembered, in UTC, such as `2026-11-22`. */
  readonly lastSeen: string;
  /** Where it was last dialled, such as `192.0.2.7:7707`; undefined if never, or only on this machine. */
  readonly address: string | undefined;
}

/** What {@link KnownPeers.remember} takes. */
export interface RememberOptions {
  /** By what the peer was dialled, if it was: its address is remembered, too. */
  readonly dialled?: Destination | undefined;
}

/** What {@link KnownPeers.remember} did. */
export interface RememberedPeer {
  /** The peer as it is known now. */
  readonly peer: KnownPeer;
  /** Whether it was not known before. */
  readonly isNew: boolean;
}

/**
 * A file of peers and their keys, one line each. Several processes may use it at once: it is locked while it is changed,
 * and replaced as a whole. The file need not be there; its folder must. Nothing reads or changes it by itself.
 *
 * All methods reject with a {@link HawserError}: `IO` when the file cannot be read as a whole, and it then stays as it
 * is; `PERMISSION_DENIED`, `INVALID_OPTION`, `NATIVE_LOAD`. A peer is named by its name, fingerprint or public key.
 */
export class KnownPeers {
  readonly #file: Uint8Array;

  constructor(file: FilePath) {
    this.#file = toPathBytes(file);
  }

  /** All of them, in order of their names. */
  async list(): Promise<readonly KnownPeer[]> {
    const found = await native.knownPeers(this.#file);
    return found.map(toKnownPeer);
  }

  /**
   * Rejects with `KEY_CHANGED` when an address of the ticket is one at which a peer with another key is known: to be
   * asked before `send()` or `get()`. Addresses of this machine do not count.
   */
  check(ticket: string): Promise<void> {
    return native.checkTicket(this.#file, text('ticket', ticket));
  }

  /** Who is known at an address such as `192.0.2.7` or `example.org:7707`; undefined for nobody. Default port: 7707. */
  async at(address: string): Promise<KnownPeer | undefined> {
    const {host, port} = splitAddress(address);
    const isThere = (known: string): boolean => {
      const at = splitAddress(known);
      return folded(at.host) === folded(host) && at.port === port;
    };
    return (await this.list()).find((peer) => peer.address !== undefined && isThere(peer.address));
  }

  /**
   * Remembers a peer that has proved its key. A new one is called by its label, as far as a name can have it, with a
   * number where another peer has that name; one that is known keeps its name. An address at which another key is known
   * stays with that one until it is forgotten.
   */
  async remember(
    {publicKey, name: label, address}: Peer,
    {dialled}: RememberOptions = {},
  ): Promise<RememberedPeer> {
    // A code is used up, and nobody's business.
    const {code: _, known: __, ...where} = dialled === undefined ? {} : toNativeDestination(dialled);
    const sighting = {...where, publicKey, label, address};
    const {peer, isNew} = await native.rememberPeer(this.#file, sighting);
    return {peer: toKnownPeer(peer), isNew};
  }

  /** Gives a peer a name, which no other may have: `INVALID_OPTION` if one has it. */
  async name(peer: string, name: string): Promise<KnownPeer> {
    return toKnownPeer(await native.namePeer(this.#file, text('peer', peer), text('name', name)));
  }

  /** Forgets a peer: with its next key it is a new one. Resolves with what was known of it. */
  async forget(peer: string): Promise<KnownPeer> {
    return toKnownPeer(await native.forgetPeer(this.#file, text('peer', peer)));
  }
}

/** Names have no case and may end in a dot, an IPv4 address may be written as an IPv6 one, and those in many ways. */
function folded(host: string): string {
  const bare = host
    .toLowerCase()
    .replace(/\.$/, '')
    .replace(/^::ffff:(?=\d+\.)/, '');
  const url = `http://[${bare}]`;
  return isIPv6(bare) && URL.canParse(url) ? new URL(url).hostname : bare;
}

function toKnownPeer({key, name, named, lastSeen, address}: native.NativeKnownPeer): KnownPeer {
  return {...key, name, named, lastSeen, address};
}

function text(what: string, value: string): string {
  if (typeof value === 'string') return value;
  throw new HawserError('INVALID_OPTION', `the ${what} must be a string`);
}
