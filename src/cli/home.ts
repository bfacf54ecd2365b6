import {realpath} from 'node:fs/promises';
import {homedir} from 'node:os';
import type {Reporter} from './reporter.ts';

/** A word about a folder to write into in which the names of files decide what they do. */
export async function warnHome(directory: string, report: Reporter): Promise<void> {
  if (await isHome(directory)) report({event: 'notice', message: homeText});
}

async function isHome(directory: string): Promise<boolean> {
  try {
    return (await realpath(directory)) === (await realpath(homedir()));
  } catch {
    // One of the two is not there.
    return false;
  }
}

const homeText =
  'this is your home folder: the other side can add files that programs run, such as .bashrc, where there are ' +
  'none yet. With --ask you see them before';
