// What the packages are tried with: a registry, several versions of Node, other runtimes and package managers, checkers.
// They take 1 GB, and are kept in the user's cache folder, one for each state of their lock file.
import {createHash} from 'node:crypto';
import {cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync} from 'node:fs';
import {homedir} from 'node:os';
import {join} from 'node:path';
import {npm} from './npm.mjs';

const manifest = '__test__/package/tools';

/** Installs the tools unless they are there. Gives their folder. */
export async function installTools() {
  const hash = createHash('sha256')
    .update(readFileSync(join(manifest, 'package-lock.json')))
    .digest('hex');
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'hawser');
  const folder = join(cache, `tools-${hash.slice(0, 12)}`);
  if (existsSync(folder)) return folder;

  // Under another name until it is complete.
  const unfinished = `${folder}.${process.pid}`;
  mkdirSync(cache, {recursive: true});
  try {
    cpSync(manifest, unfinished, {recursive: true});
    await npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {cwd: unfinished});
    if (!existsSync(folder)) renameSync(unfinished, folder);
  } catch (cause) {
    throw new Error(
      'What the packages are tried with could not be installed: it comes from the npm registry.',
      {cause},
    );
  } finally {
    rmSync(unfinished, {recursive: true, force: true});
  }
  return folder;
}
