import {types} from 'node:util';

/** Why a call or a transfer failed. Codes are added over time, never renamed. */
export type ErrorCode =
  /** An option or a path has a value that cannot be used. */
  | 'INVALID_OPTION'
  /** The ticket is mistyped or cut off: its checksum does not match. Nothing was dialled. */
  | 'TICKET_INVALID'
  /** A ticket for sending was given to `get`, or one for fetching to `send`. Nothing was dialled. */
  | 'TICKET_DIRECTION'
  /** A host name in the ticket has no address. */
  | 'NAME_NOT_FOUND'
  /** The other machine answered that nothing listens on that port. */
  | 'CONNECTION_REFUSED'
  /** There is no route to the other machine. */
  | 'UNREACHABLE'
  /** The other machine did not answer in time. */
  | 'CONNECTION_TIMEOUT'
  /** The connection broke, or the peer went away, before the transfer was complete. */
  | 'CONNECTION_LOST'
  /** The ticket expired, or the clocks of the two machines differ. What was let in before may come again. */
  | 'TICKET_EXPIRED'
  /**
   * The code is wrong, used up or too old, or somebody else answered. It is not tried again by itself. Or, later, the other
   * side does not expect again whom it let in by it.
   */
  | 'CODE_REJECTED'
  /**
   * The other side is not the one that made the ticket, or does not accept it, or does not let this side's key in without
   * one.
   */
  | 'AUTHENTICATION_FAILED'
  /**
   * An address or a name is known with another key: that of {@link KnownPeers.check}, of a code's `known`, of a
   * {@link KnownListener}, or one of `reservedNames`. The message and `mismatch` have the fingerprints.
   */
  | 'KEY_CHANGED'
  /** The peer understood and declined, or this side's `onOffer` did. */
  | 'REFUSED'
  /** Bytes arrived that are not the bytes that were sent. */
  | 'INTEGRITY'
  /** Another program listens on the port. */
  | 'PORT_IN_USE'
  /** An address to bind does not belong to this machine. */
  | 'ADDRESS_UNAVAILABLE'
  /** The operating system denies access. */
  | 'PERMISSION_DENIED'
  /** A file or folder is not there, or no record of what was delivered into it. */
  | 'NOT_FOUND'
  /** No space, or no quota, is left on the disk. */
  | 'DISK_FULL'
  /** Another receiver writes into the folder. */
  | 'FOLDER_IN_USE'
  /** Reading or writing failed in another way. */
  | 'IO'
  /** The peer speaks another version of the protocol. */
  | 'VERSION_MISMATCH'
  /** The peer broke the protocol. */
  | 'PROTOCOL'
  /** The transfer or verification was closed, or the transfer parked, before it was complete. */
  | 'CANCELLED'
  /** The native binary is missing or cannot be loaded. */
  | 'NATIVE_LOAD'
  /** A defect in hawser. */
  | 'INTERNAL';

/** Why one entry failed while the rest of its transfer went on. Codes are added over time, never renamed. */
export type EntryErrorCode =
  /** The file or folder is not there, or vanished before it was read. */
  | 'SOURCE_GONE'
  /** The file changed while it was read. */
  | 'SOURCE_CHANGED'
  /** The file or folder cannot be read. */
  | 'SOURCE_UNREADABLE'
  /** Neither a file, a folder nor a symbolic link: a device, a FIFO or a socket. */
  | 'UNSUPPORTED_TYPE'
  /** A symbolic link whose target lies outside what is sent. */
  | 'LINK_OUTSIDE'
  /** A name that the sink does not create. */
  | 'NAME_REFUSED'
  /** The folder it belongs in failed. */
  | 'PARENT_FAILED'
  /** More folders within folders than are sent. */
  | 'TOO_DEEP'
  /** The sink's user does not want it. */
  | 'DECLINED'
  /** The sink allows no more with this ticket. */
  | 'QUOTA'
  /** The sink has another file system mounted at the folder it belongs in. */
  | 'OTHER_DISK'
  /** The sink's disk has no inodes left: no room for another file, however small. */
  | 'NO_INODES'
  /** The sink's disk can only be read. */
  | 'READ_ONLY'
  /** The sink's folder was removed while the transfer ran. */
  | 'TARGET_GONE'
  /** The operating system of the sink denies access. */
  | 'PERMISSION_DENIED'
  /** No space, or no quota, is left on the sink's disk. */
  | 'DISK_FULL'
  /** The sink could not write for another reason. */
  | 'IO'
  /** The bytes that arrived do not have the hash of the bytes that were read. */
  | 'INTEGRITY';

/** Whose key was expected, and what came in its place. */
export interface KeyMismatch {
  /** The name by which the expected key is known; undefined where there is none. */
  readonly name: string | undefined;
  /** Where the other key is, or was to be dialled. */
  readonly address: string;
  /** The fingerprint of the expected key. */
  readonly known: string;
  /** The fingerprint of the other one; undefined where it has not said which: a listener says so only to who has it. */
  readonly offered: string | undefined;
}

/** What {@link HawserError} is made of besides its code and message. */
export interface HawserErrorOptions {
  /** Whether the same call may succeed later without a change. Default: false. */
  readonly retryable?: boolean;
  /** The error underneath, where there is one. */
  readonly cause?: unknown;
  /** Of a `KEY_CHANGED`. */
  readonly mismatch?: KeyMismatch | undefined;
}

/** Every failure that hawser itself reports. Tell them apart by `code`; `message` is for people and may change. */
export class HawserError extends Error {
  override readonly name = 'HawserError';
  /** Why it failed, stable across versions. */
  readonly code: ErrorCode;
  /** Whether the same call may succeed later without a change. */
  readonly retryable: boolean;
  /** Of a `KEY_CHANGED`: whose key it is, and the fingerprints; else undefined. */
  readonly mismatch: KeyMismatch | undefined;

  constructor(code: ErrorCode, message: string, options: HawserErrorOptions = {}) {
    super(message, 'cause' in options ? {cause: options.cause} : {});
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.mismatch = options.mismatch;
  }
}

/** Whether a caught value is a {@link HawserError}, also one of another copy of this package or another realm. */
export function isHawserError(value: unknown): value is HawserError {
  return types.isNativeError(value) && value.name === 'HawserError';
}
