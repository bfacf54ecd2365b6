import {createRequire} from 'node:module';
import {arch, platform} from 'node:os';
import type * as Binding from '#binding';
import type {
  NativeDialOptions,
  NativeFailure,
  NativeKey,
  NativeKnownPeer,
  NativeListener,
  NativeListenOptions,
  NativePartFile,
  NativeRemembered,
  NativeRemoval,
  NativeSighting,
  NativeTransfer,
  NativeVerification,
  NativeVerifyOptions,
} from '#binding';
import {takeCause} from './causes.ts';
import {HawserError, type ErrorCode} from './errors.ts';
import {explainLoadFailure} from './load-failure.ts';

/** @internal */
export type {
  NativeDestination,
  NativeEntry,
  NativeJob,
  NativeKey,
  NativeKnownPeer,
  NativeListener,
  NativeListenOptions,
  NativeOffer,
  NativePartFile,
  NativeProgress,
  NativeTicketLimits,
  NativeTransfer,
  NativeVerification,
  NativeVerifyProgress,
} from '#binding';

/**
 * Opens a port for sessions. Throws a HawserError.
 * @internal
 */
export function listen(options: NativeListenOptions): NativeListener {
  return wiping(options, (binding) => binding.listen(options));
}

/**
 * Dials the listener that a ticket names. Throws a HawserError.
 * @internal
 */
export function dial(options: NativeDialOptions): NativeTransfer {
  return wiping(options, (binding) => binding.dial(options));
}

/**
 * Starts to hash what was delivered into a folder. Throws a HawserError.
 * @internal
 */
export function verify(options: NativeVerifyOptions): NativeVerification {
  return call((binding) => binding.verify(options));
}

/**
 * Lists the part files in a folder. Rejects with a HawserError.
 * @internal
 */
export function partials(directory: Uint8Array): Promise<NativePartFile[]> {
  return later((binding) => binding.partials(directory));
}

/**
 * Removes part files in a folder. Rejects with a HawserError.
 * @internal
 */
export function removePartials(directory: Uint8Array, olderThanMs: number): Promise<NativeRemoval> {
  return later((binding) => binding.removePartials(directory, olderThanMs));
}

/**
 * The public half of a private key of 32 bytes. Throws a HawserError.
 * @internal
 */
export function identify(key: Uint8Array): NativeKey {
  return call((binding) => binding.identify(key));
}

/**
 * Lists the peers in a file. Rejects with a HawserError.
 * @internal
 */
export function knownPeers(file: Uint8Array): Promise<NativeKnownPeer[]> {
  return later((binding) => binding.knownPeers(file));
}

/**
 * Rejects with a HawserError when another key is known at an address of the ticket.
 * @internal
 */
export async function checkTicket(file: Uint8Array, ticket: string): Promise<void> {
  const failure = await call((binding) => binding.checkTicket(file, ticket));
  if (failure) throw toError(failure);
}

/**
 * Remembers a peer. Rejects with a HawserError.
 * @internal
 */
export function rememberPeer(file: Uint8Array, sighting: NativeSighting): Promise<NativeRemembered> {
  return later((binding) => binding.rememberPeer(file, sighting));
}

/**
 * Gives a peer a name. Rejects with a HawserError.
 * @internal
 */
export function namePeer(file: Uint8Array, peer: string, name: string): Promise<NativeKnownPeer> {
  return later((binding) => binding.namePeer(file, peer, name));
}

/**
 * Forgets a peer. Rejects with a HawserError.
 * @internal
 */
export function forgetPeer(file: Uint8Array, peer: string): Promise<NativeKnownPeer> {
  return later((binding) => binding.forgetPeer(file, peer));
}

/**
 * Whether a text may be a code. Throws a HawserError.
 * @internal
 */
export function checkCode(code: string): void {
  const failure = load().checkCode(code);
  if (failure) throw toError(failure);
}

/**
 * Keeps the memory of this process to itself. Throws a HawserError.
 * @internal
 */
export function protectMemory(): void {
  const failure = load().protectMemory();
  if (failure) throw toError(failure);
}

/**
 * The error that a failure stands for: failures cross the binding as values, because an async native function
 * could only reject with a code of Node-API's own.
 * @internal
 */
export function toError(failure: NativeFailure): HawserError {
  const {code, message, retryable, mismatch: native} = failure;
  const mismatch = native && {
    name: native.name,
    address: native.address,
    known: native.known,
    offered: native.offered,
  };
  return new HawserError(code as ErrorCode, message, {retryable, mismatch, ...takeCause(failure.cause)});
}

/** A call that takes a private key: the binding has its own copy then, which it wipes when it is done. */
function wiping<T extends object>(
  options: {readonly identity?: Uint8Array | undefined},
  invoke: (binding: typeof Binding) => T | NativeFailure,
): T {
  try {
    return call(invoke);
  } finally {
    options.identity?.fill(0);
  }
}

function call<T extends object>(invoke: (binding: typeof Binding) => T | NativeFailure): T {
  const binding = load();
  let result;
  try {
    result = invoke(binding);
  } catch (cause) {
    // The binding returns its failures; what it throws is an argument of the wrong type.
    throw new HawserError('INVALID_OPTION', `an option has the wrong type: ${String(cause)}`, {cause});
  }
  if (isFailure(result)) throw toError(result);
  return result;
}

async function later<T extends object>(
  invoke: (binding: typeof Binding) => Promise<T | NativeFailure>,
): Promise<T> {
  const result = await call(invoke);
  if (isFailure(result)) throw toError(result);
  return result;
}

function isFailure(result: object): result is NativeFailure {
  return 'code' in result && 'retryable' in result;
}

let loaded: typeof Binding | undefined;

function load(): typeof Binding {
  try {
    loaded ??= createRequire(import.meta.url)('#binding') as typeof Binding;
    return loaded;
  } catch (cause) {
    throw new HawserError('NATIVE_LOAD', explainLoadFailure(cause, `${platform()}-${arch()}`), {cause});
  }
}
