import {lstat} from 'node:fs/promises';
import {checkCode, HawserError, isHawserError} from '../index.ts';
import {howToSayCodes, isWords, looksLikeScp, shown, whoChoosesFolders} from './destination.ts';
import {systemCode} from './private-file.ts';
import {looksLikeTicket} from './ticket.ts';

/**
 * Rejects where the paths to send are not meant as such, or none of them is there: before anything is asked for or
 * dialled, which would cost a code or a `--once`. One among others that is not there fails alone, as with scp and rsync.
 */
export async function checkSources(paths: readonly string[], byCode: boolean): Promise<void> {
  const absent = await Promise.all(paths.map(isAbsent));
  const last = paths.at(-1);
  if (last === undefined || !absent.at(-1)) return;
  // The words of a code, as one argument or three.
  for (const count of byCode ? [1, 3] : []) {
    if (isWords(paths.slice(-count).join(' ')) && absent.slice(-count).every(Boolean)) throw wordsGiven();
  }
  if (looksLikeTicket(last)) throw wrong('a ticket goes behind --to');
  if (looksLikeScp(last)) throw wrong(`${shown(last)} is not there to be sent: ${whoChoosesFolders}`);
  if (!absent.every(Boolean)) return;
  const first = paths[0] ?? last;
  const others = paths.length > 1 ? ', and neither are the others' : '';
  throw new HawserError('NOT_FOUND', `cannot send ${shown(first)}: it is not there${others}`);
}

/** Throws where what stands behind the address, for a folder, is the code. */
export function checkFolder(directory: string, more: boolean, byCode: boolean): void {
  if (byCode && (more || isCode(directory))) throw wordsGiven();
  if (more) throw wrong('too many arguments: there is one ticket and one folder');
}

async function isAbsent(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return false;
  } catch (error) {
    return ['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '');
  }
}

function isCode(text: string): boolean {
  try {
    checkCode(text);
    return true;
  } catch (error) {
    if (isHawserError(error) && error.code === 'INVALID_OPTION') return false;
    throw error;
  }
}

function wordsGiven(): HawserError {
  return wrong(`leave out the words of the code: ${howToSayCodes}`);
}

function wrong(text: string): HawserError {
  return new HawserError('INVALID_OPTION', text);
}
