import {open, rm} from 'node:fs/promises';
import {getSystemErrorMap} from 'node:util';

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

/** Why a call of the system failed, in its words, without the name of the call and its path. */
export function systemWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const {errno} = error as NodeJS.ErrnoException;
  const [, words] = (errno !== undefined && getSystemErrorMap().get(errno)) || [];
  return words ?? error.message;
}

/** Whether the system would not let it be done. */
export function isDenied(error: unknown): boolean {
  return ['EACCES', 'EPERM', 'EROFS'].includes(systemCode(error) ?? '');
}

/** The code of a failed system call, such as `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
