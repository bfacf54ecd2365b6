import {generateKeyPairSync, type KeyObject} from 'node:crypto';
import {once} from 'node:events';
import {createServer, type AddressInfo} from 'node:net';
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

/** A TCP port of an address that was free just now. */
export async function freePort(address: string): Promise<string> {
  const server = createServer().listen(0, address);
  await once(server, 'listening');
  const {port} = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return String(port);
}
