import {chmodSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, symlinkSync} from 'node:fs';
import {utimesSync, writeFileSync, type BigIntStats} from 'node:fs';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import {pseudoRandom} from './tree.ts';

/** Where a sink keeps what has no name yet: no part of a tree. */
const partials = '.hawser';

/**
 * A tree that takes every way through the disk: small files, an empty one, one that is written through the page cache in
 * several chunks, one that is written past it, one that nobody may write, a folder that nobody may write, an empty folder
 * and a link. Gives its path.
 */
export function writeSmallTree(t: ExecutionContext, parent: string): string {
  const root = join(parent, 'tree');
  for (const folder of ['', 'a', 'a/deep', 'hollow', 'shut']) mkdirSync(join(root, folder));
  const files: Record<string, string | Buffer> = {
    'a/one': '1',
    'a/two': 'two',
    'a/deep/empty': '',
    'a/read-only': 'read only',
    'shut/in': 'inside',
    cached: pseudoRandom(300_000, 'cached'),
    direct: pseudoRandom(1_300_000, 'direct'),
  };
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(root, name), content);
    utimesSync(join(root, name), 1_700_000_000, 1_700_000_000.25);
  }
  symlinkSync('a/one', join(root, 'link'));
  chmodSync(join(root, 'a/read-only'), 0o444);
  chmodSync(join(root, 'shut'), 0o555);
  for (const folder of ['hollow', 'shut', 'a/deep', 'a', '']) {
    utimesSync(join(root, folder), 1_600_000_000, 1_600_000_000.5);
  }
  // What nobody may write nobody but root could remove.
  t.teardown(() => chmodSync(join(root, 'shut'), 0o755));
  return root;
}

/** Lets everybody who may remove the folders of a tree do so. */
export function unlock(folder: string): void {
  for (const child of list(folder)) {
    if (!child.stat.isDirectory()) continue;
    chmodSync(child.path, 0o755);
    unlock(child.path);
  }
}

/** How what arrived differs from what was sent: names, kinds, bytes, modes, times and link targets. */
export function differences(arrived: string, sent: string): readonly string[] {
  return compare(arrived, sent, true);
}

/**
 * What is wrong in a folder into which a transfer was cut off: a name that was not sent, a file that is not whole under
 * its name, or has another mode or time. What is missing is not wrong, and folders may be unfinished.
 */
export function wrongs(arrived: string, sent: string): readonly string[] {
  return compare(arrived, sent, false);
}

interface Child {
  readonly name: string;
  readonly path: string;
  readonly stat: BigIntStats;
}

function compare(arrived: string, sent: string, finished: boolean): string[] {
  const found = new Map(list(arrived).map((child) => [child.name, child]));
  const wanted = list(sent);
  const result = wanted.flatMap((child) => {
    const other = found.get(child.name);
    found.delete(child.name);
    if (other) return compareOne(other, child, finished);
    return finished ? [`${child.name} is missing`] : [];
  });
  return [...result, ...[...found.keys()].map((name) => `${name} was never sent`)];
}

function compareOne(arrived: Child, sent: Child, finished: boolean): string[] {
  const {name, path, stat} = arrived;
  const kind = stat.mode & 0o170000n;
  if (kind !== (sent.stat.mode & 0o170000n)) return [`${name} is of another kind`];
  if (stat.isSymbolicLink()) {
    return readlinkSync(path) === readlinkSync(sent.path) ? [] : [`${name} leads elsewhere`];
  }
  const result = [];
  if (finished || stat.isFile()) {
    if (stat.mode !== sent.stat.mode) result.push(`${name} has mode ${stat.mode.toString(8)}`);
    if (stat.mtimeNs !== sent.stat.mtimeNs) result.push(`${name} has time ${stat.mtimeNs}`);
  }
  if (stat.isDirectory()) return [...result, ...compare(path, sent.path, finished)];
  const bytes = readFileSync(path);
  if (!bytes.equals(readFileSync(sent.path)))
    result.push(`${name} has ${bytes.length} bytes, and other ones`);
  return result;
}

/** What is in a folder, nothing if there is no folder. */
function list(folder: string): Child[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return names
    .filter((name) => name !== partials)
    .map((name) => ({name, path: join(folder, name), stat: lstatSync(join(folder, name), {bigint: true})}));
}
