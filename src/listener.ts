import {addAbortListener} from 'node:events';
import {reachableHosts} from './hosts.ts';
import {identityBytes} from './identity.ts';
import {listen, toError, type NativeJob, type NativeListener} from './native.ts';
import {answerOffers, type OfferOption} from './offer.ts';
import type {Peer} from './peer.ts';
import {checkLimit, integer, milliseconds, type SessionOptions} from './session.ts';
import {toPathBytes, type FilePath} from './path.ts';
import {toNativeTicketLimits, type TicketLimits, type TicketUse} from './ticket-limits.ts';
import {Transfer} from './transfer.ts';

/** What a listener takes, whether it receives or shares. */
export interface ListenOptions extends SessionOptions {
  /** The TCP port, 0 to 65535; 0 takes any that is free. Default: that of `ticket`, or else 0. */
  readonly port?: number | undefined;
  /** The IP addresses to bind. Default: all, IPv4 and IPv6. */
  readonly bind?: readonly string[] | undefined;
  /**
   * The hosts, addresses or names, that the ticket tells a peer to dial, in that order: behind a router, its public
   * address. Default: the bound addresses, or this machine's own where all are bound.
   */
  readonly advertise?: readonly string[] | undefined;
  /**
   * A ticket of an earlier listener with the same `identity` and for the same direction: whoever holds it can connect
   * to this one, too. `INVALID_OPTION` when it is one of another identity.
   */
  readonly ticket?: string | undefined;
  /** Up to where the ticket goes. Default: as long as there is a listener. */
  readonly ticketLimits?: TicketLimits | undefined;
  /**
   * A file that remembers who has used the ticket and how much they brought, for a later listener with the same `ticket`:
   * without it the limits begin anew. It is on disk before anybody new is let in, and has one listener at a time, which
   * holds a lock beside it. Default: none.
   */
  readonly ledger?: FilePath | undefined;
  /** Whether to let in whoever knows a short code, too: see {@link Listener.codes}. Default: false. */
  readonly codes?: boolean | undefined;
  /**
   * Public keys of peers that need no ticket: 52 characters of base32 each. They dial with the address and the key of this
   * listener, which so needs an `identity` that stays the same. Default: none.
   */
  readonly allow?: readonly string[] | undefined;
  /**
   * Names that belong to keys, such as those that {@link KnownPeers.name} gave: a peer that comes with one of them as its
   * label, in whatever case, and with another key is refused before anything is transferred. Its transfer fails with
   * `KEY_CHANGED`, its own with `REFUSED`. Default: none.
   */
  readonly reservedNames?: readonly ReservedName[] | undefined;
}

/** A name that belongs to a key; a {@link KnownPeer} is one. */
export interface ReservedName {
  /** As in {@link KnownPeer}. */
  readonly name: string;
  /** 52 characters of base32. */
  readonly publicKey: string;
}

/** A code for another to dial with, as a {@link CodeListener}. Whoever knows it is let in, once. */
export interface ShownCode {
  /** Three English words joined by `-`, such as `open-lake-army`. */
  readonly code: string;
  /**
   * Why there is another than before: it is the first; the one before was used; it was guessed at, wrongly, three times,
   * by somebody who may try again; it was ten minutes old; or it was revoked.
   */
  readonly reason: 'first' | 'used' | 'guessed' | 'expired' | 'revoked';
}

/** A peer that has proven its key, and has the ticket, the code or a place in `allow`, and was not let in all the same. */
export interface TurnedAway extends Omit<Peer, 'name'> {
  /**
   * Why: as many peers have come with the ticket as may; its time is over; or there are too many transfers, and it was told
   * to come again.
   */
  readonly reason: 'used-up' | 'expired' | 'busy';
}

/** How {@link Listener.close} takes its time. */
export interface CloseOptions {
  /**
   * After so many milliseconds the transfers that still run are parked: they fail with `CANCELLED`, and their peers are
   * told that they may go on when this listener is there again. A whole number, 0 for at once. Default: never.
   */
  readonly graceMs?: number | undefined;
}

/** An open port that serves sessions, several at a time. Iterate over it for the transfers that peers open. */
export class Listener implements AsyncDisposable {
  readonly #native: NativeListener;
  readonly #signal: AbortSignal | undefined;
  readonly #closed: Promise<void>;
  /** The hosts that the ticket tells a peer to dial, best first. */
  readonly hosts: readonly string[];

  /** @internal */
  constructor(native: NativeListener, hosts: readonly string[], signal: AbortSignal | undefined) {
    this.#native = native;
    this.hosts = hosts;
    this.#signal = signal;
    this.#closed = this.#run();
  }

  /** What a peer needs to connect: where, to whom, and a secret. Whoever has it can connect. */
  get ticket(): string {
    return this.#native.ticket;
  }

  /** When the ticket lets nobody new in any more; undefined without an end. */
  get expiresAt(): Date | undefined {
    const at = new Date((this.#native.expires ?? NaN) * 1000);
    // There is no date for what is too far away.
    return Number.isNaN(at.getTime()) ? undefined : at;
  }

  /** How much of its limits the ticket has come to; with a `ledger`, also at earlier listeners. */
  get ticketUse(): TicketUse {
    return this.#native.ticketUse;
  }

  /** The TCP port listened on. */
  get port(): number {
    return this.#native.port;
  }

  /** The socket addresses listened on, such as `0.0.0.0:7707` and `[::]:7707`. */
  get addresses(): readonly string[] {
    return this.#native.addresses;
  }

  /**
   * Makes another ticket in place of this one, and another code where codes are shown. Those before let nobody in any
   * more, not even those who have come with them before; transfers that run go on, until their connections are lost.
   * Limits begin anew, but for the end of a ticket that was kept and is given no `lifetimeMs` here: that stays. All of
   * this is so when the call returns. Resolves to the new ticket when the ledger is that of the new one; rejects with a
   * {@link HawserError} when it cannot be written, and the ticket is another one all the same.
   */
  async revoke(): Promise<string> {
    const result = await this.#native.revoke();
    if (typeof result !== 'string') throw toError(result);
    return result;
  }

  /**
   * With `codes: true`, each code as soon as it is the one to show, instead of the one before; ends when the listener is
   * closed, and at once without codes. A code is good for one peer, for three wrong guesses and for ten minutes. Who came
   * with one may come again within ten minutes of a loss, as long as both sides run. A code that was given to one loop is
   * not to another.
   */
  async *codes(): AsyncGenerator<ShownCode, void, undefined> {
    for (;;) {
      const shown = await this.#native.nextCode();
      if (!shown) return;
      yield {code: shown.code, reason: shown.reason};
    }
  }

  /**
   * Peers that a person may want to do something for, each as soon as it was turned away; ends when the listener is
   * closed. Not strangers, nor who comes with a wrong or revoked ticket. Of one peer, or many, that come again and again it
   * gives only some: eight, and then one in ten seconds. One that was given to one loop is not to another.
   */
  async *turnedAway(): AsyncGenerator<TurnedAway, void, undefined> {
    for (;;) {
      const refusal = await this.#native.nextRefusal();
      if (!refusal) return;
      const {address, publicKey, fingerprint, reason} = refusal;
      yield {address, publicKey, fingerprint, reason};
    }
  }

  /**
   * Limits all transfers together to so many bytes a second, sent and received together, from now on; undefined lifts
   * the limit. Throws an `INVALID_OPTION` unless it is a whole number, 10,000 or more.
   */
  setLimit(bytesPerSecond: number | undefined): void {
    const failure = this.#native.setLimit(checkLimit(bytesPerSecond));
    if (failure) throw toError(failure);
  }

  /**
   * Stops listening. Transfers that run go on to their end, or until `graceMs` have passed; those that `onOffer` has not
   * accepted yet are parked at once. Abort the signal to end all of them at once. Resolves when the last one has ended. Can be called more than once.
   */
  async close({graceMs = Infinity}: CloseOptions = {}): Promise<void> {
    milliseconds('grace', graceMs);
    this.#native.close('finish');
    if (graceMs <= longestTimerMs) {
      const timer = setTimeout(() => this.#native.close('park'), graceMs);
      void this.#closed.then(() => clearTimeout(timer));
    }
    await this.#closed;
  }

  /** The same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * The transfers that peers open, each as soon as its peer has proved to hold the ticket; ends when the listener is
   * closed. They run whether or not anyone iterates, and leaving the loop does not close the listener.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Transfer, void, undefined> {
    for (;;) {
      const native = await this.#native.next();
      if (!native) return;
      yield new Transfer(native, this.#signal);
    }
  }

  async #run(): Promise<void> {
    const listening = this.#signal && addAbortListener(this.#signal, () => this.#native.close('cancel'));
    await this.#native.closed();
    listening?.[Symbol.dispose]();
  }
}

/** A longer timer would go off at once; nobody waits for one of 24 days. */
const longestTimerMs = 2 ** 31 - 1;

/** @internal */
export function openListener(job: NativeJob, options: ListenOptions & OfferOption): Listener {
  const {port, bind = [], advertise = [], ticket, reservedNames = [], allow = [], signal} = options;
  const {ticketLimits = {}, ledger, codes = false} = options;
  signal?.throwIfAborted();
  const hosts = advertise.length > 0 ? [...advertise] : reachableHosts(bind);
  const native = listen({
    job,
    bind: [...bind],
    reserved: reservedNames.map(({name, publicKey}) => ({name, publicKey})),
    advertise: hosts,
    ...(port === undefined ? {} : {port: integer('port', port, 0, 65_535)}),
    ...(ticket === undefined ? {} : {ticket}),
    ticketLimits: toNativeTicketLimits(ticketLimits),
    ...(ledger === undefined ? {} : {ledger: toPathBytes(ledger)}),
    codes,
    allow: [...allow],
    ...identityBytes(options.identity),
  });
  answerOffers(native, options);
  return new Listener(native, hosts, signal);
}
