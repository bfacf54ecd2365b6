import {generateKeyPairSync, type KeyObject} from 'node:crypto';
import {networkInterfaces} from 'node:os';
import type {ExecutionContext} from 'ava';
import {publicIdentity} from '../../src/index.ts';
import {run} from './cli.ts';

/** Somebody new. */
export function somebody(): KeyObject {
  return generateKeyPairSync('x25519').privateKey;
}

/** The fingerprint that others see of somebody. */
export function fingerprintOf(identity: KeyObject): string {
  return publicIdentity(identity).fingerprint;
}

/** An address of this machine that others could reach; undefined where it has none. */
export const ownAddress = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find(({internal, family}) => !internal && family === 'IPv4')?.address;

/** What `hawser peers` prints. */
export async function listed(t: ExecutionContext, env: NodeJS.ProcessEnv): Promise<string> {
  const {code, stdout, stderr} = await run(t, ['peers'], env);
  t.is(code, 0, stderr);
  return stdout;
}
