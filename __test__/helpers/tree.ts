import {createCipheriv} from 'node:crypto';
import {closeSync, ftruncateSync, openSync, readSync, writeSync} from 'node:fs';
import {lstat, mkdir, readdir, readlink, writeFile} from 'node:fs/promises';
import {dirname, join, posix} from 'node:path';
import type {ExecutionContext} from 'ava';

/** Bytes that look random, the same for the same seed. */
export function pseudoRandom(bytes: number, seed = 'hawser'): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

/** Writes files and the folders they are in. */
export async function writeFiles(
  folder: string,
  files: Readonly<Record<string, string | Buffer>>,
): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(dirname(path), {recursive: true});
    await writeFile(path, content);
  }
}

/** A file that takes hardly any space on the disk: zeros, with a few other bytes at both ends. */
export function writeSparse(path: string, bytes: number): void {
  const file = openSync(path, 'w');
  ftruncateSync(file, bytes);
  writeSync(file, 'first', 0);
  writeSync(file, 'last', bytes - 4);
  closeSync(file);
}

/** The names in a folder that was received into, sorted, without what hawser keeps there for itself. */
export async function listDelivered(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  return names.filter((name) => name !== '.hawser').toSorted();
}

/** Asserts that two trees are the same: names, kinds, bytes, modes, times and link targets. */
export async function assertSameTree(t: ExecutionContext, actual: string, expected: string): Promise<void> {
  const [have, want] = [await listTree(actual), await listTree(expected)];
  t.deepEqual(have, want);
  for (const {name, kind} of want) {
    if (kind === 'file') assertSameBytes(t, pathOf(actual, name), pathOf(expected, name));
  }
}

/** Asserts that two files hold the same bytes; they may be larger than memory. */
export function assertSameBytes(
  t: ExecutionContext,
  actual: string | Buffer,
  expected: string | Buffer,
): void {
  t.true(haveSameBytes(actual, expected), `${String(actual)} and ${String(expected)} differ`);
}

/** What there is in a tree besides bytes. */
interface Item {
  /** Relative to the tree, in latin1, one character a byte: a name need not be UTF-8. */
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'link';
  readonly mode: bigint;
  readonly size?: bigint;
  readonly mtimeNs?: bigint;
  readonly target?: string;
}

async function listTree(root: string, folder = ''): Promise<Item[]> {
  const items: Item[] = [];
  const children = await readdir(pathOf(root, folder), {encoding: 'buffer'});
  for (const child of children.map((name) => name.toString('latin1')).toSorted()) {
    const name = posix.join(folder, child);
    const path = pathOf(root, name);
    const stat = await lstat(path, {bigint: true});
    const {mode, size, mtimeNs} = stat;
    if (stat.isSymbolicLink()) {
      items.push({name, kind: 'link', mode, target: await readlink(path, 'latin1')});
    } else if (stat.isDirectory()) {
      items.push({name, kind: 'folder', mode, mtimeNs}, ...(await listTree(root, name)));
    } else {
      items.push({name, kind: 'file', mode, size, mtimeNs});
    }
  }
  return items;
}

function pathOf(root: string, name: string): Buffer {
  return Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name, 'latin1')]);
}

function haveSameBytes(one: string | Buffer, other: string | Buffer): boolean {
  const files = [openSync(one, 'r'), openSync(other, 'r')] as const;
  const [mine, theirs] = [Buffer.allocUnsafe(1 << 22), Buffer.allocUnsafe(1 << 22)];
  try {
    for (;;) {
      const [left, right] = [readSync(files[0], mine), readSync(files[1], theirs)];
      if (left !== right || mine.compare(theirs, 0, right, 0, left) !== 0) return false;
      if (left === 0) return true;
    }
  } finally {
    files.forEach(closeSync);
  }
}
