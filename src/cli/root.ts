import {stat} from 'node:fs/promises';
import {dirname, resolve} from 'node:path';
import type {Reporter} from './reporter.ts';

/**
 * A word of warning to root who receives into somebody else's folder: what arrives would be root's there, and of that
 * user's programs root has more to fear than they of it.
 */
export async function warnRoot(directory: string, report: Reporter): Promise<void> {
  if (process.geteuid?.() !== 0) return;
  const owner = await ownerOf(resolve(directory));
  if (owner === undefined || owner === 0) return;
  report({
    event: 'notice',
    message: `you are root, and ${directory} is a folder of user ${owner}: what arrives will belong to root. Better run this as that user.`,
  });
}

/** The user whose folder it is, or will be in; undefined where that cannot be told, which is for others to say. */
async function ownerOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).uid;
  } catch {
    return dirname(path) === path ? undefined : ownerOf(dirname(path));
  }
}
