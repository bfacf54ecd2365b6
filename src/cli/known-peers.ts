import {join} from 'node:path';
import {
  HawserError,
  KnownPeers,
  type CodeListener,
  type Destination,
  type KnownListener,
  type KnownPeer,
  type Peer,
  type ReservedName,
} from '../index.ts';
import {looksLikeScp} from './destination.ts';
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
  #turn: Promise<unknown> = Promise.resolve();

  constructor(report: Reporter) {
    this.#peers = findKnownPeers();
    this.#report = report;
  }

  /** The names that the user gave. A list that cannot be read is an error: it may say who is to be refused. */
  async reservedNames(): Promise<readonly ReservedName[]> {
    return (await this.#list()).filter(({named}) => named);
  }

  /** The public keys of those who are named by name, fingerprint or public key. */
  async keysOf(peers: readonly string[]): Promise<readonly string[]> {
    const known = peers.length > 0 ? await this.#list() : [];
    return peers.map((peer) => keyOf(known, peer));
  }

  /** Whom `name@host`, `name@host:port` or the name of a peer stands for; undefined where it is none of these. */
  async find(to: string): Promise<KnownListener | undefined> {
    if (looksLikeScp(to)) return undefined;
    const at = to.lastIndexOf('@');
    const known = await this.#list();
    const who = at >= 0 ? to.slice(0, at) : to;
    const peer = findMeant(known, who);
    if (at < 0 && !peer) return undefined;
    const name = peer?.name;
    const publicKey = keyOf(known, who);
    const address = at >= 0 ? to.slice(at + 1) : peer?.address;
    if (address) return {address, publicKey, name};
    const text =
      at < 0
        ? `no address is known of ${name}: give it as ${name}@HOST`
        : `behind ${who}@ goes a host, as in ${who}@192.0.2.7`;
    throw new HawserError('INVALID_OPTION', text);
  }

  /** The listener at an address, and who is known to listen there. */
  async expectAt(address: string): Promise<Pick<CodeListener, 'address' | 'known'>> {
    return {address, known: await this.#peers?.at(address)};
  }

  /** Rejects when another key is known at an address of a ticket. */
  async check(ticket: string): Promise<void> {
    await this.#peers?.check(ticket);
  }

  /** Remembers a peer, dialled or not. That it cannot be remembered is a notice, the first time. */
  remember(peer: Peer, dialled?: Destination): Promise<Acquaintance> {
    // One after the other: who comes second must have heard from the first who is new.
    const remembered = this.#turn.then(() => this.#rememberNow(peer, dialled));
    this.#turn = remembered;
    return remembered;
  }

  /** Remembers a peer if anything of it, or by it, was accepted; else it would not be new the next time. */
  meet(peer: Peer, accepted: boolean, dialled?: Destination): Promise<Acquaintance> {
    return accepted ? this.remember(peer, dialled) : this.recall(peer);
  }

  /** What is known of a peer. */
  async recall({publicKey}: Pick<Peer, 'publicKey'>): Promise<Acquaintance> {
    if (!this.#peers) return stranger;
    const known = await this.#peers.list().catch(() => undefined);
    const peer = known?.find((other) => other.publicKey === publicKey);
    return peer ? acquaintance(peer, false) : {...stranger, isNew: known !== undefined};
  }

  async #rememberNow(peer: Peer, dialled: Destination | undefined): Promise<Acquaintance> {
    if (!this.#peers) return stranger;
    try {
      const {peer: known, isNew} = await this.#peers.remember(peer, {dialled});
      return acquaintance(known, isNew);
    } catch (error) {
      if (!this.#complained) this.#complain(peer, error);
      this.#complained = true;
      // It may be known from before all the same.
      return {...(await this.recall(peer)), isNew: false};
    }
  }

  async #list(): Promise<readonly KnownPeer[]> {
    return (await this.#peers?.list()) ?? [];
  }

  #complain({name, address}: Peer, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    const who = name === '' ? address : displayName(name, 40);
    this.#report({event: 'notice', message: `${who} is not remembered: ${reason}`});
  }
}

/**
 * Whom the user means by a name, fingerprint or public key. A name that a peer has given itself is none to trust it by:
 * anyone may call itself anything.
 */
function findMeant(known: readonly KnownPeer[], who: string): KnownPeer | undefined {
  const isIt = (text: string): boolean => text.toLowerCase() === who.toLowerCase();
  const peer = known.find(({name, fingerprint, publicKey}) => [name, fingerprint, publicKey].some(isIt));
  if (!peer || peer.named || !isIt(peer.name)) return peer;
  const {name, fingerprint} = peer;
  throw new HawserError(
    'INVALID_OPTION',
    `"${name}" is only what that peer calls itself: if ${fingerprint} is what "hawser id" says there, give it the name ` +
      `by "hawser peers name ${fingerprint} ${name}"`,
  );
}

/** The key of a known peer, or a whole key, of whomever it is. */
function keyOf(known: readonly KnownPeer[], who: string): string {
  const key = findMeant(known, who)?.publicKey ?? who.toLowerCase();
  if (/^[a-z2-7]{52}$/.test(key)) return key;
  const text = `no known peer has the name or fingerprint "${who}"`;
  throw new HawserError(
    'INVALID_OPTION',
    `${text}: "hawser peers" lists them; a public key need not be known`,
  );
}

const stranger: Acquaintance = {knownAs: null, named: false, isNew: false};

function acquaintance({name: knownAs, named}: KnownPeer, isNew: boolean): Acquaintance {
  return {knownAs, named, isNew};
}

/** Whoever has no home has had a word about that already. */
function findKnownPeers(): KnownPeers | undefined {
  try {
    return openKnownPeers();
  } catch (error) {
    if (error instanceof NotKept) return undefined;
    throw error;
  }
}
