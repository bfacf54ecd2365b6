import {HawserError} from './errors.ts';
import type {NativeDestination} from './native.ts';
import {integer} from './session.ts';

/** Whom to dial: the listener that made a ticket, or one that lets this side's key in. */
export type Destination = string | KnownListener;

/** A listener whose key is known, and which has the key of this side in its `allow`. */
export interface KnownListener {
  /** Where it listens, such as `192.0.2.7:7707`, `[2001:db8::7]:7707` or `example.org:7707`. */
  readonly address: string;
  /** The key that it must prove to have: 52 characters of base32. */
  readonly publicKey: string;
}

/** @internal */
export function toNativeDestination(destination: Destination): NativeDestination {
  if (typeof destination === 'string') return {ticket: destination};
  if (typeof destination?.publicKey !== 'string') {
    throw new HawserError('INVALID_OPTION', 'give a ticket, or the address and the public key of a listener');
  }
  return {...splitAddress(destination.address), publicKey: destination.publicKey};
}

/**
 * Host and port of a text such as `192.0.2.7:7707`, or an INVALID_OPTION.
 * @internal
 */
export function splitAddress(address: string): {host: string; port: number} {
  const [, bracketed, plain, port] = /^(?:\[([\d:a-f.]+)\]|([^:[\]]+)):(\d{1,5})$/i.exec(address) ?? [];
  const host = bracketed ?? plain;
  if (host !== undefined) return {host, port: integer('port', Number(port), 1, 65_535)};
  throw new HawserError(
    'INVALID_OPTION',
    `an address is a host and a port, as in 192.0.2.7:7707, not ${address}`,
  );
}
