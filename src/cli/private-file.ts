import {constants, open, rm} from 'node:fs/promises';
import {HawserError} from '../index.ts';

/**
 * Makes a file with this text that only its owner can read, on the disk before it has its name: `name` gives it that.
 */
export async function writePrivately(
  path: string,
  text: string,
  name: (written: string, path: string) => Promise<void>,
): Promise<void> {
  const written = `${path}.${crypto.randomUUID()}`;
  const file = await open(written, 'wx', 0o600);
  try {
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await name(written, path);
  } finally {
    await rm(written, {force: true});
  }
}

/** What is in a file that only its owner can read, or undefined where there is no file. */
export async function readPrivately(path: string): Promise<Buffer | undefined> {
  try {
    // Nobody may ever write to a pipe, and what waits for that cannot be interrupted.
    const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      const found = await file.stat();
      const {mode} = found;
      if (!found.isFile()) throw new HawserError('IO', `cannot read ${path}: it is no file`);
      if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
        throw new HawserError('PERMISSION_DENIED', `others have access to ${path}: make it "chmod 600"`);
      }
      return await file.readFile();
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof HawserError) throw cause;
    if (systemCode(cause) === 'ENOENT' || systemCode(cause) === 'ENOTDIR') return undefined;
    const code = isDenied(cause) ? 'PERMISSION_DENIED' : 'IO';
    throw new HawserError(code, `cannot read ${path}: ${reasonOf(cause)}`, {cause});
  }
}

/** Why a system call failed, without its code and arguments: `no such file or directory`. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return systemCode(error) === undefined ? message : message.replace(/^[A-Z]\w+: (.+?), \w+( '.*')?$/s, '$1');
}

/** Whether the system would not let it be done. */
export function isDenied(error: unknown): boolean {
  return ['EACCES', 'EPERM', 'EROFS'].includes(systemCode(error) ?? '');
}

/** The code of a failed system call, such as `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
