import {setImmediate} from 'node:timers/promises';
import {keepCause} from './causes.ts';
import {HawserError} from './errors.ts';
import type {NativeOffer} from './native.ts';
import {toPathBytes, type FilePath} from './path.ts';
import type {Peer} from './peer.ts';

/** What a peer wants to deliver, before anything of it is written. */
export interface Offer {
  /** Who offers it. Its key is proven, its `name` by nothing. */
  readonly peer: Peer;
  /** How many files. */
  readonly files: number;
  /** How many folders. */
  readonly folders: number;
  /** How many symbolic links. */
  readonly links: number;
  /** Bytes of the files. */
  readonly bytes: number;
  /** Whether that is all. If not, as with more than 16,384 entries, it is at least that much. */
  readonly complete: boolean;
  /** What is offered, in the order of the source; without entries whose names cannot be used, which always fail. */
  readonly entries: readonly OfferedEntry[];
  /** Aborted when there is nothing to decide any more, as the peer has gone or the transfer has been closed. */
  readonly signal: AbortSignal;
}

/** A file, folder or link that is offered. */
export interface OfferedEntry {
  /** Relative to the folder, separated by `/`; bytes that are not UTF-8 are replaced. Not for display as it is. */
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'link';
  /** Bytes of a file; 0 for the rest. */
  readonly size: number;
}

/** What becomes of an offer; true accepts all of it, and false refuses it. */
export type OfferAnswer = boolean | AcceptedOffer | RefusedOffer;

/** An offer that is received. */
export interface AcceptedOffer {
  readonly accept: true;
  /** Another folder to write into; created if missing. No listener may receive into it, in any process. */
  readonly directory?: FilePath | undefined;
  /**
   * Paths of entries that are not wanted; of a folder, with all that is in it. They fail with `DECLINED` on both sides,
   * also those that are offered only later.
   */
  readonly drop?: readonly string[] | undefined;
}

/** An offer that is refused: the transfer fails with `REFUSED` on both sides. */
export interface RefusedOffer {
  readonly accept: false;
  /** Why, for the people of both sides; the peer gets the first 512 bytes of it. Default: nothing. */
  readonly reason?: string | undefined;
}

/** What the side that writes files takes, to be asked. */
export interface OfferOption {
  /**
   * Called with what each peer offers, before anything of it is written; the answer may take its time. Other transfers go
   * on meanwhile. What it throws, or an answer that is none, refuses the offer, and `finished()` of the transfer tells
   * why: what was thrown is the `cause` of its error. A transfer that was accepted, lost its connections and goes on is not asked about again, unless it then offers
   * something else. Default: everything is received.
   */
  readonly onOffer?: ((offer: Offer) => OfferAnswer | Promise<OfferAnswer>) | undefined;
}

/** Where offers come from. */
interface OfferSource {
  nextOffer(): Promise<NativeOffer | null>;
}

/**
 * Whether there is somebody to ask.
 * @internal
 */
export function asks({onOffer}: OfferOption): boolean {
  if (onOffer === undefined || typeof onOffer === 'function') return onOffer !== undefined;
  throw new HawserError('INVALID_OPTION', 'onOffer must be a function');
}

/**
 * Has each offer answered, until there will be none.
 * @internal
 */
export function answerOffers(source: OfferSource, {onOffer}: OfferOption): void {
  if (onOffer) void answerAll(source, onOffer);
}

type OnOffer = NonNullable<OfferOption['onOffer']>;

async function answerAll(source: OfferSource, onOffer: OnOffer): Promise<void> {
  for (let offer = await source.nextOffer(); offer; offer = await source.nextOffer()) {
    void answer(offer, onOffer);
  }
}

/** Never rejects: an offer is a peer's doing, and must not end the process. */
async function answer(native: NativeOffer, onOffer: OnOffer): Promise<void> {
  const over = new AbortController();
  let answered = false;
  void native.over().then(() => (answered ? undefined : over.abort()));
  try {
    const entries = await takeEntries(native);
    const decision = await onOffer({...native.summary(), entries, signal: over.signal});
    answered = true;
    apply(native, decision);
  } catch (error) {
    answered = true;
    // What exactly has failed here is not the peer's business.
    native.refuse('it could not decide', `onOffer failed: ${describe(error)}`, keepCause(error));
  }
}

async function takeEntries(native: NativeOffer): Promise<OfferedEntry[]> {
  const entries: OfferedEntry[] = [];
  for (;;) {
    const page = native.takeEntries(pageEntries);
    if (page.length === 0) return entries;
    entries.push(...(page as OfferedEntry[]));
    await setImmediate();
  }
}

/** As many as do not keep the event loop waiting. */
const pageEntries = 1000;

function apply(native: NativeOffer, given: OfferAnswer): void {
  const decision: AcceptedOffer | RefusedOffer = typeof given === 'boolean' ? {accept: given} : (given ?? {});
  // What is neither is no answer: it comes from whoever checks no types.
  switch (decision.accept) {
    case true:
      return accept(native, decision);
    case false:
      return native.refuse(decision.reason ?? '', decision.reason ?? '');
    default:
      throw new HawserError('INVALID_OPTION', 'an answer must be true, false, or an object with accept');
  }
}

function accept(native: NativeOffer, {directory, drop = []}: AcceptedOffer): void {
  const failure = native.accept(directory === undefined ? undefined : toPathBytes(directory), [...drop]);
  if (failure) throw new HawserError('INVALID_OPTION', failure.message);
}

function describe(error: unknown): string {
  try {
    return error instanceof Error ? error.message : String(error);
  } catch {
    return 'it threw something that cannot be shown';
  }
}
