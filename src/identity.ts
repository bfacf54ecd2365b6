import type {KeyObject} from 'node:crypto';
import {HawserError} from './errors.ts';
import {identify} from './native.ts';

/** A public key, and two short forms of it for people to compare. */
export interface PublicIdentity {
  /** The X25519 public key: 52 characters of base32. */
  readonly publicKey: string;
  /** 80 bits of its hash, such as `k3vq-hw2n-7xta-m4pe`. */
  readonly fingerprint: string;
  /** 88 bits of its hash, as eight English words: the fingerprint to be read out. */
  readonly words: string;
}

/** What peers know of an identity: an X25519 private key of `node:crypto`, or else it is an `INVALID_OPTION`. */
export function publicIdentity(identity: KeyObject): PublicIdentity {
  const bytes = privateBytes(identity);
  try {
    return identify(bytes);
  } finally {
    bytes.fill(0);
  }
}

/**
 * The 32 bytes of an X25519 private key, or an INVALID_OPTION for any other. Whoever they are given to wipes them.
 * @internal
 */
export function identityBytes(identity: KeyObject | undefined): {identity?: Uint8Array} {
  return identity === undefined ? {} : {identity: privateBytes(identity)};
}

function privateBytes(identity: KeyObject): Uint8Array {
  const isPrivate = identity?.type === 'private' && identity.asymmetricKeyType === 'x25519';
  if (!isPrivate) throw new HawserError('INVALID_OPTION', 'the identity must be an X25519 private key');
  // Not as JWK: its text could not be wiped. In DER the key comes last, behind a header that is always the same.
  const der = identity.export({format: 'der', type: 'pkcs8'});
  const bytes = Uint8Array.from(der.subarray(-32));
  der.fill(0);
  return bytes;
}
