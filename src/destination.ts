import {isIPv6} from 'node:net';
import {HawserError} from './errors.ts';
import type {KnownPeer} from './known-peers.ts';
import type {NativeDestination} from './native.ts';
import {integer} from './session.ts';

/** Whom to dial: the listener that made a ticket, one that lets this side's key in, or one that shows a code. */
export type Destination = string | KnownListener | CodeListener;

/** A listener whose key is known, and which has the key of this side in its `allow`. */
export interface KnownListener {
  /** Where it listens, such as `192.0.2.7`, `[2001:db8::7]:7707` or `example.org:7707`. Default port: 7707. */
  readonly address: string;
  /** The key that it must prove to have: 52 characters of base32. */
  readonly publicKey: string;
  /** By which name that key is known, for errors. See {@link KnownPeer.name}. */
  readonly name?: string | undefined;
}

/** A listener that shows a code to whoever it wants to let in, see {@link Listener.codes}. */
export interface CodeListener {
  /** Where it listens, as in {@link KnownListener}. */
  readonly address: string;
  /**
   * The three words, in any case, with anything but letters between them. It is tried once: each code is good for one
   * meeting, and the third wrong one ends it. After that, lost connections are made again without it.
   */
  readonly code: string;
  /** Who is known to listen there: whoever else does is a `KEY_CHANGED`. See {@link KnownPeers.at}. */
  readonly known?: Pick<KnownPeer, 'name' | 'publicKey'> | undefined;
}

/** @internal */
export function toNativeDestination(destination: Destination): NativeDestination {
  if (typeof destination === 'string') return {ticket: destination};
  if (typeof destination !== 'object' || destination === null) throw noDestination();
  const {publicKey, name, code, known} = destination as Partial<KnownListener & CodeListener>;
  const address = splitAddress(destination.address);
  if (typeof publicKey === 'string' && code === undefined) {
    return {...address, publicKey, ...(name !== undefined && {known: {name, publicKey}})};
  }
  if (typeof code === 'string' && publicKey === undefined) {
    return {...address, code, ...(known && {known: {name: known.name, publicKey: known.publicKey}})};
  }
  throw noDestination();
}

function noDestination(): HawserError {
  return new HawserError(
    'INVALID_OPTION',
    'give a ticket, or the address of a listener and either its public key or the code that it shows',
  );
}

/**
 * Host and port of a text such as `192.0.2.7:7707`, or an INVALID_OPTION.
 * @internal
 */
export function splitAddress(address: string): {host: string; port: number} {
  const text = typeof address === 'string' ? address : '';
  if (isIPv6(text)) return {host: text, port: defaultPort};
  const [, bracketed, plain, port = defaultPort] =
    /^(?:\[([\d:a-f.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/i.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host !== undefined) return {host, port: integer('port', Number(port), 1, 65_535)};
  throw new HawserError(
    'INVALID_OPTION',
    `an address is a host and a port, as in 192.0.2.7:7707, or a host alone, not ${address}`,
  );
}

/** The port that the command listens on where it is free. */
const defaultPort = 7707;
