import type {KeyObject} from 'node:crypto';
import {hostname} from 'node:os';
import {HawserError} from './errors.ts';
import type {NativeJob} from './native.ts';
import {asks, type OfferOption} from './offer.ts';
import {toPathBytes, type FilePath} from './path.ts';

/** What every call takes, whichever side dials and whichever side reads. */
export interface SessionOptions {
  /** A label the peer is shown, at most 64 bytes of UTF-8. Default: this machine's host name. */
  readonly name?: string | undefined;
  /**
   * Who this side is, as an X25519 private key of `node:crypto`. A dialler that goes on after its connections were lost
   * is recognised by it, what it has begun to send only it goes on with, and a listener's tickets are good for no other.
   * Default: one for the process.
   */
  readonly identity?: KeyObject | undefined;
  /** Aborting it ends what the call started, as `close()` does, but rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Which entries the reports list: all, or only those that failed. A tree of a million files makes a list of
   * a million entries. Default: `'all'`.
   */
  readonly entries?: 'all' | 'failed' | undefined;
  /**
   * Bytes a second at most, sent and received together: of this transfer, or of all transfers of a listener together.
   * A whole number, 10,000 or more. `setLimit()` changes it. Default: no limit.
   */
  readonly limit?: number | undefined;
}

/** What the side that writes files takes. */
export interface DurabilityOption {
  /**
   * When what is written is on disk, and survives a loss of power: with `'session'` before the transfer is complete,
   * with `'file'` already when a file is reported as delivered, with `'none'` when the system gets round to it. With the
   * first two no file has its name before what is in it is on disk. Default: `'session'`.
   */
  readonly durability?: 'session' | 'file' | 'none' | undefined;
}

const durabilities: readonly string[] = ['session', 'file', 'none'];

/** What the side that dials may ask for. */
export interface CheckOptions {
  /**
   * Compares the content of files that are there already, by its BLAKE3 hash, instead of size and time of modification:
   * both sides read them. Default: false.
   */
  readonly checksum?: boolean | undefined;
  /** The side that writes reads each file again, from its disk, before the file gets its name. Default: false. */
  readonly verify?: boolean | undefined;
}

/**
 * The job of the side that reads files.
 * @internal
 */
export function sourceJob(paths: readonly FilePath[], options: SessionOptions & CheckOptions): NativeJob {
  if (!Array.isArray(paths) || paths.length === 0) {
    throw new HawserError('INVALID_OPTION', 'the paths must be an array with at least one path');
  }
  return {paths: paths.map(toPathBytes), ...common(options), ...checks(options)};
}

/**
 * The job of the side that writes files.
 * @internal
 */
export function sinkJob(
  directory: FilePath,
  options: SessionOptions & DurabilityOption & CheckOptions & OfferOption,
): NativeJob {
  const {durability = 'session'} = options;
  if (!durabilities.includes(durability)) {
    throw new HawserError('INVALID_OPTION', `the durability must be one of ${durabilities.join(', ')}`);
  }
  const directoryBytes = toPathBytes(directory);
  return {directory: directoryBytes, ...common(options), ...checks(options), durability, ask: asks(options)};
}

function checks({checksum = false, verify = false}: CheckOptions): Pick<NativeJob, 'compare' | 'reread'> {
  return {compare: checksum, reread: verify};
}

/**
 * A whole number within bounds, or an INVALID_OPTION: Node-API would silently wrap or cut any other.
 * @internal
 */
export function integer(option: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new HawserError(
    'INVALID_OPTION',
    `the ${option} must be a whole number from ${min} to ${max}, not ${value}.`,
  );
}

/**
 * A time in milliseconds, Infinity included, or an INVALID_OPTION.
 * @internal
 */
export function milliseconds(option: string, value: number, min = 0): number {
  return value === Infinity ? value : integer(option, value, min, Number.MAX_SAFE_INTEGER);
}

/**
 * A limit in bytes a second, undefined for none, or an INVALID_OPTION.
 * @internal
 */
export function checkLimit(limit: number | undefined): number | undefined {
  if (limit === undefined || (Number.isSafeInteger(limit) && limit >= minLimit)) return limit;
  throw new HawserError(
    'INVALID_OPTION',
    `the limit must be a whole number of bytes a second, ${minLimit} or more, not ${String(limit)}`,
  );
}

/** What a job is that nothing special is asked of. */
const plain = {durability: 'session', compare: false, reread: false, ask: false} as const;

function common({name, entries, limit}: SessionOptions): Omit<NativeJob, 'paths' | 'directory'> {
  if (name !== undefined && Buffer.byteLength(name) > maxNameBytes) {
    throw new HawserError('INVALID_OPTION', `the name must have at most ${maxNameBytes} bytes`);
  }
  return {name: name ?? hostLabel(), entries: entries ?? 'all', limit: checkLimit(limit), ...plain};
}

/** The host name, cut at a whole character. */
function hostLabel(): string {
  return new TextDecoder().decode(Buffer.from(hostname()).subarray(0, maxNameBytes), {stream: true});
}

const maxNameBytes = 64;

/** Below it a session could not keep up its connections. */
const minLimit = 10_000;
