import {lstat, realpath} from 'node:fs/promises';
import {homedir} from 'node:os';
import {join} from 'node:path';
import type {Reporter} from './reporter.ts';

/** A word about a folder to write into in which the names of files decide what they do. */
export async function warnHome(directory: string, report: Reporter): Promise<void> {
  const what = (await isHome(directory)) ? 'your home folder' : await kindOf(directory);
  if (what === undefined) return;
  report({
    event: 'notice',
    message:
      `this is ${what}: the other side can add files that programs run, such as ${examples[what]}, where there are none ` +
      'yet. With --ask you see them before',
  });
}

type Kind = 'your home folder' | 'a home folder' | 'a repository';

const examples: Record<Kind, string> = {
  'your home folder': '.bashrc',
  'a home folder': '.bashrc',
  'a repository': 'those in .git/hooks',
};

async function isHome(directory: string): Promise<boolean> {
  try {
    return (await realpath(directory)) === (await realpath(homedir()));
  } catch {
    // One of the two is not there.
    return false;
  }
}

/** By what there is in it. */
async function kindOf(directory: string): Promise<Kind | undefined> {
  const has = async (name: string): Promise<boolean> => {
    try {
      await lstat(join(directory, name));
      return true;
    } catch {
      return false;
    }
  };
  if (await has('.git')) return 'a repository';
  const isLived = await Promise.all(['.ssh', '.bashrc', '.profile', '.zshrc'].map(has));
  return isLived.includes(true) ? 'a home folder' : undefined;
}
