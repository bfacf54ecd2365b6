import {
  isHawserError,
  type Difference,
  type Entry,
  type ErrorCode,
  type KnownPeer,
  type Outage,
  type PartFile,
  type Peer,
  type Progress,
  type PublicIdentity,
  type Report,
  type ShownCode,
  type TicketLimits,
  type TicketUse,
  type TurnedAway,
  type VerifyProgress,
  type VerifyReport,
} from '../index.ts';

/**
 * What a command has to say. A reporter turns it into text for a person; with `--json` each event is one line on
 * standard output, led by `"v": 1`, the version of this format. Within a version fields and events are only added.
 * `transfer` counts the transfers of the process from 1. Names and paths are as they arrived, not escaped.
 */
export type CommandEvent =
  | ListeningEvent
  | CodeEvent
  | RevokedEvent
  | TurnedAwayEvent
  | PeerEvent
  | ProgressEvent
  | EntryEvent
  | FinishedEvent
  | ReconnectingEvent
  | ReconnectedEvent
  | NoticeEvent
  | VerifyingEvent
  | DifferenceEvent
  | VerifiedEvent
  | PartialEvent
  | PartialsEvent
  | IdentityEvent
  | KnownEvent
  | PeersEvent
  | ErrorEvent;

/** `receive` and `share`: the port is open; first of all events. */
export interface ListeningEvent {
  readonly event: 'listening';
  /** Null with `--code`: a code is the only way in then. */
  readonly ticket: string | null;
  readonly port: number;
  readonly addresses: readonly string[];
  /** Up to where the ticket goes, where that is limited; `expiresAt` in milliseconds since 1970. */
  readonly limits: Omit<TicketLimits, 'lifetimeMs'> & {readonly expiresAt?: number};
  readonly used: TicketUse;
}

/** `receive --code` and `share --code`: the code to show now, instead of the one before. */
export interface CodeEvent extends ShownCode {
  readonly event: 'code';
  /** Where the other side may find this one, best first, as its `--to` takes it. */
  readonly addresses: readonly string[];
}

/** `receive` and `share`: the ticket is revoked, and this is the one in its place. */
export interface RevokedEvent {
  readonly event: 'revoked';
  readonly ticket: string;
}

/** `receive` and `share`: somebody with the ticket, the code or a known key was not let in; never a mere stranger. */
export interface TurnedAwayEvent extends TurnedAway, Acquaintance {
  readonly event: 'turned-away';
}

/** What the user knows of a peer. */
export interface Acquaintance {
  /** The name by which it is known here, if it is; `name` is only what it calls itself. */
  readonly knownAs: string | null;
  /** Whether the user gave it that name, and not its own label. */
  readonly named: boolean;
  /** Whether it was not known before: nobody whom nothing was accepted of is remembered. */
  readonly isNew: boolean;
}

/** The peer of a transfer has proved who it is. */
export interface PeerEvent extends Peer, Acquaintance {
  readonly event: 'peer';
  readonly transfer: number;
}

/**
 * Where a transfer stands, about ten times a second. In its `outage`, `retryMs` is null where it is Infinity, which JSON
 * does not have.
 */
export interface ProgressEvent extends Progress {
  readonly event: 'progress';
  readonly transfer: number;
}

/** What became of one file, folder or link; all of a transfer come right before its `finished`. */
export type EntryEvent = Entry & {
  readonly event: 'entry';
  readonly transfer: number;
};

/** A transfer is complete. `failed` counts its failed entries. */
export interface FinishedEvent extends Omit<Report, 'peer' | 'entries' | 'failed'> {
  readonly event: 'finished';
  readonly transfer: number;
  readonly failed: number;
}

/** `verify`: where it stands, about ten times a second. */
export interface VerifyingEvent extends VerifyProgress {
  readonly event: 'verifying';
}

/** `verify`: a file is not as it was delivered; all of them come right before `verified`. */
export interface DifferenceEvent extends Difference {
  readonly event: 'difference';
}

/** `verify`: every file on record has been looked at. Counts those that differ, by what became of them. */
export interface VerifiedEvent extends Omit<VerifyReport, 'differences'> {
  readonly event: 'verified';
  readonly changed: number;
  readonly missing: number;
  readonly unreadable: number;
}

/** `partials`: a part file, or something else where they are kept; all of them come right before `partials`. */
export type PartialEvent = PartFile & {
  readonly event: 'partial';
  /** With `--clean`: whether it is gone. */
  readonly removed: boolean;
  /** With `--clean`: why it is not. */
  readonly message?: string;
};

/** `partials`: that was all. Those removed are counted among the others, too. */
export interface PartialsEvent {
  readonly event: 'partials';
  /** Whether it was to remove them. */
  readonly clean: boolean;
  readonly files: number;
  readonly bytesOnDisk: number;
  readonly inUse: number;
  readonly removed: number;
  readonly bytesFreed: number;
}

/** `id`: who the user is to others, and the file that keeps the key. */
export interface IdentityEvent extends PublicIdentity {
  readonly event: 'identity';
  readonly path: string;
}

/** `peers`: a known peer: `listed`, all of them right before `peers`; `named`; or `forgotten`, as it was. */
export interface KnownEvent extends Omit<KnownPeer, 'address'> {
  readonly event: 'known';
  readonly action: 'listed' | 'named' | 'forgotten';
  readonly address: string | null;
}

/** `peers`: that was all. */
export interface PeersEvent {
  readonly event: 'peers';
  readonly peers: number;
}

/** All connections of a transfer are lost, and new ones are tried: one event an attempt; `message` says what led to it. */
export interface ReconnectingEvent extends Omit<Outage, 'reason' | 'retryMs'> {
  readonly event: 'reconnecting';
  readonly transfer: number;
  /** As in {@link Outage}; null stands for Infinity. */
  readonly retryMs: number | null;
  readonly message: string;
}

/** The transfer goes on over new connections; `reconnects` counts how often that has happened. */
export interface ReconnectedEvent {
  readonly event: 'reconnected';
  readonly transfer: number;
  readonly reconnects: number;
}

/** Something to know that changes nothing. */
export interface NoticeEvent {
  readonly event: 'notice';
  readonly message: string;
}

/** A transfer failed, or, without `transfer`, the command did. */
export interface ErrorEvent {
  readonly event: 'error';
  readonly transfer?: number;
  /** Of a transfer: the files that it had delivered, which stay, and their bytes. */
  readonly filesDelivered?: number;
  readonly bytesDelivered?: number;
  /** Of a transfer: whether the side that writes had begun to take what was offered, in any of its connections. */
  readonly accepted?: boolean;
  readonly code: ErrorCode;
  readonly message: string;
  /** The user has ended it. */
  readonly interrupted?: true;
  /** Whether the same command may succeed later without a change. */
  readonly retryable: boolean;
  /** Of `KEY_CHANGED`: whose key was expected, and the fingerprints, as in {@link KeyMismatch}. */
  readonly mismatch?: {
    readonly name: string | null;
    readonly address: string;
    readonly known: string;
    readonly offered: string | null;
  };
}

export function errorEvent(error: unknown): ErrorEvent {
  if (isHawserError(error)) {
    const {code, message, retryable, mismatch} = error;
    if (!mismatch) return {event: 'error', code, message, retryable};
    const {name = null, address, known, offered = null} = mismatch;
    return {event: 'error', code, message, retryable, mismatch: {name, address, known, offered}};
  }
  const message = error instanceof Error ? error.message : String(error);
  return {event: 'error', code: 'INTERNAL', message, retryable: false};
}
