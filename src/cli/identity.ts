import type {KeyObject} from 'node:crypto';
import {constants} from 'node:fs';
import {copyFile, link, mkdir} from 'node:fs/promises';
import {homedir} from 'node:os';
import {dirname, isAbsolute, join} from 'node:path';
import {setTimeout} from 'node:timers/promises';
import {HawserError} from '../index.ts';
import {isDenied, readPrivately, reasonOf, systemCode, writePrivately} from './private-file.ts';
import type {Reporter} from './reporter.ts';

/** Who the user is to all peers: a key, and the file that keeps it. */
export interface Identity {
  readonly key: KeyObject;
  readonly path: string;
}

/** The user's key; where none can be kept, one for this time, with a word about it. */
export async function findIdentity(report: Reporter): Promise<KeyObject | undefined> {
  try {
    return (await keepIdentity()).key;
  } catch (error) {
    if (!(error instanceof NotKept)) throw error;
    report({event: 'notice', message: `using a new key this time, as it cannot be kept: ${error.reason}`});
    return undefined;
  }
}

/**
 * The user's key, made at its first use. That none can be kept is an error, and so is one that is there and cannot be
 * used, which stays.
 */
export async function keepIdentity(): Promise<Identity> {
  const path = join(configFolder(), 'identity.pem');
  const key = (await readIdentity(path)) ?? (await makeIdentity(path));
  return {key, path};
}

/** There is no key, and none can be kept; an error to who needs the same again. */
export class NotKept extends HawserError {
  readonly reason: string;

  constructor(cause: unknown) {
    const reason = reasonOf(cause);
    const code = isDenied(cause) ? 'PERMISSION_DENIED' : 'IO';
    super(
      code,
      `cannot keep the key that others know you by: ${reason}; set HAWSER_CONFIG_DIR to a folder for it`,
      {cause},
    );
    this.reason = reason;
  }
}

/** A folder for the user alone, with those above it. Not by `recursive`, which goes on for ever where nothing can be made. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, {mode: 0o700});
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return;
    if (systemCode(error) !== 'ENOENT' || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await mkdir(path, {mode: 0o700}).catch((again: unknown) => {
      if (systemCode(again) !== 'EEXIST') throw again;
    });
  }
}

async function makeIdentity(path: string): Promise<KeyObject> {
  try {
    await makeFolder(dirname(path));
    const {generateKeyPairSync} = await import('node:crypto');
    const pem = generateKeyPairSync('x25519').privateKey.export({type: 'pkcs8', format: 'pem'});
    await writePrivately(path, pem.toString(), nameOnce);
  } catch (cause) {
    throw new NotKept(cause);
  }
  const key = await readIdentity(path);
  if (!key) throw new NotKept(`${path} has gone again`);
  return key;
}

/** Gives a file its name, unless another has it: of two processes that start at once, one key must win. */
async function nameOnce(written: string, path: string): Promise<void> {
  try {
    await link(written, path).catch(async (error: unknown) => {
      if (!['EPERM', 'ENOTSUP', 'ENOSYS'].includes(systemCode(error) ?? '')) throw error;
      // A file system without hard links. Where it fails, nothing is left behind.
      await copyFile(written, path, constants.COPYFILE_EXCL);
    });
  } catch (error) {
    // Another process was first: its key it is.
    if (systemCode(error) !== 'EEXIST') throw error;
  }
}

/** Where the user's key and known peers are, by the custom of each system. */
export function configFolder(): string {
  const {HAWSER_CONFIG_DIR, XDG_CONFIG_HOME, APPDATA} = process.env;
  if (HAWSER_CONFIG_DIR) return HAWSER_CONFIG_DIR;
  if (process.platform === 'darwin') return join(homeFolder(), 'Library/Application Support/hawser');
  const [asked, custom] =
    process.platform === 'win32' ? [APPDATA, 'AppData/Roaming'] : [XDG_CONFIG_HOME, '.config'];
  // "All paths […] must be absolute. If […] relative, [consider] the path invalid and ignore it": XDG Base Directory.
  return join(asked && isAbsolute(asked) ? asked : join(homeFolder(), custom), 'hawser');
}

/** Not every user has one: a container may run as a number that has no name. */
function homeFolder(): string {
  try {
    return homedir();
  } catch (cause) {
    throw new NotKept(cause);
  }
}

/** The key in a file, or undefined where there is no file. */
async function readIdentity(path: string): Promise<KeyObject | undefined> {
  for (let attempt = 1; ; attempt++) {
    const pem = await readPrivately(path);
    if (pem === undefined) return undefined;
    const key = await parse(pem);
    if (key?.asymmetricKeyType === 'x25519') return key;
    if (key || attempt === attempts) {
      throw new HawserError('IO', `${path} holds no X25519 private key: move it away, and a new one is made`);
    }
    // Where there are no hard links, another process may be in the middle of writing it.
    await setTimeout(attemptMs);
  }
}

const attempts = 20;
const attemptMs = 50;

/** Wipes it. */
async function parse(pem: Buffer): Promise<KeyObject | undefined> {
  // Here and not above, as nothing else needs it: it takes milliseconds to load.
  const {createPrivateKey} = await import('node:crypto');
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  } finally {
    pem.fill(0);
  }
}
