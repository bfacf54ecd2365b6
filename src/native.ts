import {createRequire} from 'node:module';
import {arch, platform} from 'node:os';
import type * as Binding from '#binding';
import type {
  NativeDialOptions,
  NativeFailure,
  NativeListener,
  NativeListenOptions,
  NativePartFile,
  NativeRemoval,
  NativeTransfer,
  NativeVerification,
  NativeVerifyOptions,
} from '#binding';
import {HawserError, type ErrorCode} from './errors.ts';

/** @internal */
export type {
  NativeEntry,
  NativeJob,
  NativeListener,
  NativeListenOptions,
  NativeOffer,
  NativePartFile,
  NativeProgress,
  NativeTransfer,
  NativeVerification,
  NativeVerifyProgress,
} from '#binding';

/**
 * Opens a port for sessions. Throws a HawserError.
 * @internal
 */
export function listen(options: NativeListenOptions): NativeListener {
  return call((binding) => binding.listen(options));
}

/**
 * Dials the listener that a ticket names. Throws a HawserError.
 * @internal
 */
export function dial(options: NativeDialOptions): NativeTransfer {
  return call((binding) => binding.dial(options));
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
 * The error that a failure stands for: failures cross the binding as values, because an async native function
 * could only reject with a code of Node-API's own.
 * @internal
 */
export function toError(failure: NativeFailure): HawserError {
  return new HawserError(failure.code as ErrorCode, failure.message, {retryable: failure.retryable});
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
    throw new HawserError(
      'NATIVE_LOAD',
      `the native binary for ${platform()}-${arch()} cannot be loaded: install hawser again without --omit=optional, ` +
        `or, in a clone, run "npm run build:native"`,
      {cause},
    );
  }
}
