import type {KeyObject} from 'node:crypto';
import {constants} from 'node:fs';
import {copyFile, link, mkdir, open} from 'node:fs/promises';
import {homedir} from 'node:os';
import {join} from 'node:path';
import {HawserError} from '../index.ts';
import {systemCode, writePrivately} from './private-file.ts';
import type {Reporter} from './reporter.ts';

/**
 * Who the user is to all peers: one key, made at its first use. Undefined, with a word about it, where it cannot be
 * kept; one that is there and cannot be used is an error, and stays.
 */
export async function findIdentity(report: Reporter): Promise<KeyObject | undefined> {
  const folder = configFolder();
  const path = join(folder, 'identity.pem');
  const known = await readIdentity(path);
  if (known) return known;
  try {
    await mkdir(folder, {recursive: true, mode: 0o700});
    const {generateKeyPairSync} = await import('node:crypto');
    const pem = generateKeyPairSync('x25519').privateKey.export({type: 'pkcs8', format: 'pem'});
    await writePrivately(path, pem.toString(), nameOnce);
  } catch (error) {
    // Another process was first: its key it is.
    if (systemCode(error) !== 'EEXIST') {
      const reason = error instanceof Error ? error.message : String(error);
      report({event: 'notice', message: `using a new key this time, as it cannot be kept: ${reason}`});
      return undefined;
    }
  }
  return readIdentity(path);
}

/** Gives a file its name, unless another has it: of two processes that start at once, one key must win. */
async function nameOnce(written: string, path: string): Promise<void> {
  try {
    await link(written, path);
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'ENOSYS'].includes(systemCode(error) ?? '')) throw error;
    // A file system without hard links.
    await copyFile(written, path, constants.COPYFILE_EXCL);
  }
}

/** Where the user's settings are, by the custom of each system. */
function configFolder(): string {
  const {HAWSER_CONFIG_DIR, XDG_CONFIG_HOME, APPDATA} = process.env;
  if (HAWSER_CONFIG_DIR) return HAWSER_CONFIG_DIR;
  if (process.platform === 'darwin') return join(homedir(), 'Library/Application Support/hawser');
  const [asked, custom] =
    process.platform === 'win32' ? [APPDATA, 'AppData/Roaming'] : [XDG_CONFIG_HOME, '.config'];
  return join(asked || join(homedir(), custom), 'hawser');
}

/** The key in a file, or undefined where there is no file. */
async function readIdentity(path: string): Promise<KeyObject | undefined> {
  let pem;
  try {
    const file = await open(path);
    try {
      const {mode} = await file.stat();
      if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
        throw new HawserError('PERMISSION_DENIED', `others have access to ${path}: make it "chmod 600"`);
      }
      pem = await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof HawserError) throw cause;
    if (systemCode(cause) === 'ENOENT' || systemCode(cause) === 'ENOTDIR') return undefined;
    const code = systemCode(cause) === 'EACCES' ? 'PERMISSION_DENIED' : 'IO';
    throw new HawserError(code, `cannot read ${path}: ${String(cause)}`, {cause});
  }
  const key = await parse(pem);
  if (key?.asymmetricKeyType === 'x25519') return key;
  throw new HawserError('IO', `${path} holds no X25519 private key: move it away, and a new one is made`);
}

async function parse(pem: string): Promise<KeyObject | undefined> {
  // Here and not above, as nothing else needs it: it takes milliseconds to load.
  const {createPrivateKey} = await import('node:crypto');
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}
