import {generateKeyPairSync} from 'node:crypto';
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';

/** Who everybody is in a test of faults: what a sender has begun to send is of use to nobody else. */
export const identity = generateKeyPairSync('x25519').privateKey;

/** Lets a command be the same: the environment for it, with a folder in `home` that holds the key. */
export function configFolder(home: string): {readonly HAWSER_CONFIG_DIR: string} {
  const folder = join(home, 'config');
  mkdirSync(folder, {recursive: true});
  const pem = identity.export({type: 'pkcs8', format: 'pem'});
  writeFileSync(join(folder, 'identity.pem'), pem, {mode: 0o600});
  return {HAWSER_CONFIG_DIR: folder};
}
