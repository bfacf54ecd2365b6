import type {KeyObject} from 'node:crypto';
import {HawserError} from './errors.ts';

/**
 * The 32 bytes of an X25519 private key, or an INVALID_OPTION for any other. Whoever they are given to wipes them.
 * @internal
 */
export function identityBytes(identity: KeyObject | undefined): {identity?: Uint8Array} {
  if (identity === undefined) return {};
  const isPrivate = identity?.type === 'private' && identity.asymmetricKeyType === 'x25519';
  if (!isPrivate) throw new HawserError('INVALID_OPTION', 'the identity must be an X25519 private key');
  // Not as JWK: its text could not be wiped. In DER the key comes last, behind a header that is always the same.
  const der = identity.export({format: 'der', type: 'pkcs8'});
  const bytes = Uint8Array.from(der.subarray(-32));
  der.fill(0);
  return {identity: bytes};
}
