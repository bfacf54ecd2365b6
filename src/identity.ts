import type {KeyObject} from 'node:crypto';
import {HawserError} from './errors.ts';

/**
 * The 32 bytes of an X25519 private key, or an INVALID_OPTION for any other.
 * @internal
 */
export function identityBytes(identity: KeyObject | undefined): {identity?: Uint8Array} {
  if (identity === undefined) return {};
  const isPrivate = identity?.type === 'private' && identity.asymmetricKeyType === 'x25519';
  const {d} = isPrivate ? identity.export({format: 'jwk'}) : {};
  if (d === undefined) throw new HawserError('INVALID_OPTION', 'the identity must be an X25519 private key');
  return {identity: Buffer.from(d, 'base64url')};
}
