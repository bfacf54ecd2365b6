import {rename, rm} from 'node:fs/promises';
import {HawserError} from '../index.ts';
import {isDenied, readPrivately, reasonOf, systemCode, writePrivately} from './private-file.ts';

/** The ticket that an earlier run has left in a file; undefined where there is no file. */
export async function readTicket(path: string): Promise<string | undefined> {
  return (await readPrivately(path))?.toString('utf8').trim();
}

/** Leaves a ticket in a file for the next run. It holds a secret. */
export async function keepTicket(path: string, ticket: string): Promise<void> {
  try {
    await writePrivately(path, `${ticket}\n`, rename);
  } catch (cause) {
    throw failed('keep the ticket in', path, cause);
  }
}

/** Takes away the ticket in a file. */
export async function dropTicket(path: string): Promise<void> {
  try {
    await rm(path, {force: true});
  } catch (cause) {
    throw failed('remove the ticket in', path, cause);
  }
}

function failed(action: string, path: string, cause: unknown): HawserError {
  const code = isDenied(cause) ? 'PERMISSION_DENIED' : systemCode(cause) === 'ENOENT' ? 'NOT_FOUND' : 'IO';
  return new HawserError(code, `cannot ${action} ${path}: ${reasonOf(cause)}`, {cause});
}
