import {
  appendFileSync,
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {push, resume, type Trees} from '../helpers/attempt.ts';
import {makeFolder} from '../helpers/folder.ts';
import {copyFolder, journals, leaveParts, resumeParts} from '../helpers/parts.ts';
import {Tally} from '../helpers/tally.ts';
import {pseudoRandom} from '../helpers/tree.ts';

const chunkBytes = 2 ** 18;
/** The last one is shorter than the others. */
const chunks = 6;
const bytes = (chunks - 1) * chunkBytes + 1000;

/** A file that was cut off in the middle, its part and its journal; all of it can be had again and again. */
class Begun {
  readonly trees: Trees;
  readonly file: string;
  readonly #saved: {readonly inbox: string; readonly tree: string};
  part = '';
  journal = '';

  constructor(t: ExecutionContext) {
    const home = makeFolder(t);
    this.trees = {tree: join(home, 'tree'), inbox: join(home, 'inbox')};
    this.file = join(this.trees.tree, 'file');
    this.#saved = {inbox: join(home, 'begun'), tree: join(home, 'sent')};
  }

  static async make(t: ExecutionContext): Promise<Begun> {
    const begun = new Begun(t);
    const {trees, file} = begun;
    mkdirSync(trees.tree);
    writeFileSync(file, pseudoRandom(bytes));
    utimesSync(file, 1_700_000_000, 1_700_000_000.25);
    await leaveParts(t, trees, push, 1_100_000);
    copyFolder(trees.inbox, begun.#saved.inbox);
    copyFolder(trees.tree, begun.#saved.tree);
    const [journal] = journals(trees.inbox);
    if (journal === undefined) throw new Error('there is no journal');
    begun.journal = journal;
    begun.part = journal.replace(/\.journal$/, '.part');
    await resumeParts(trees);
    begun.restore();
    return begun;
  }

  /** Has it as it was when it was cut off. */
  restore(): void {
    const {inbox, tree} = this.trees;
    for (const folder of [inbox, tree]) rmSync(folder, {recursive: true});
    copyFolder(this.#saved.inbox, inbox);
    copyFolder(this.#saved.tree, tree);
  }
}

/** Damages what is kept in each of these ways, and resumes. */
async function damage<T>(
  t: ExecutionContext,
  row: string,
  begun: Begun,
  ways: Iterable<T>,
  inflict: (way: T) => void,
): Promise<void> {
  const tally = new Tally(row);
  for (const way of ways) {
    begun.restore();
    await tally.run(String(way), async () => {
      inflict(way);
      await resume(begun.trees);
    });
  }
  tally.finish(t, 2);
}

function* upTo(count: number): Iterable<number> {
  for (let number = 0; number < count; number++) yield number;
}

/** Changes one byte of a file. */
function flip(path: string, at: number): void {
  const byte = (readFileSync(path)[at] ?? 0) ^ 0x10;
  const file = openSync(path, 'r+');
  writeSync(file, Uint8Array.of(byte), 0, 1, at);
  closeSync(file);
}

test.serial('a part that was cut short is made whole', async (t) => {
  const begun = await Begun.make(t);
  const {size} = statSync(begun.part);
  const lengths = [...upTo(chunks)].flatMap((chunk) => [-1, 0, 1].map((by) => chunk * chunkBytes + by));
  const shorter = lengths.filter((length) => length >= 0 && length < size);
  await damage(t, 'part of a file cut short', begun, shorter, (length) => truncateSync(begun.part, length));
});

test.serial('a part with a changed byte anywhere is made right', async (t) => {
  const begun = await Begun.make(t);
  const places = [...upTo(40)].map((number) => (number * 40_009) % statSync(begun.part).size);
  await damage(t, 'byte of a part of a file changed', begun, places, (place) => flip(begun.part, place));
});

test.serial('a journal that ends anywhere does no harm', async (t) => {
  const begun = await Begun.make(t);
  const lengths = upTo(statSync(begun.journal).size);
  await damage(t, 'journal cut behind its n-th byte', begun, lengths, (length) =>
    truncateSync(begun.journal, length),
  );
});

test.serial('a journal with a changed byte anywhere does no harm', async (t) => {
  const begun = await Begun.make(t);
  const places = upTo(statSync(begun.journal).size);
  await damage(t, 'n-th byte of a journal changed', begun, places, (place) => flip(begun.journal, place));
});

test.serial('whatever is in the place of a part or a journal does no harm', async (t) => {
  const begun = await Begun.make(t);
  const {part, journal, trees} = begun;
  const elsewhere = join(trees.inbox, '..', 'elsewhere');
  writeFileSync(elsewhere, 'of somebody else');
  const ways: Record<string, () => void> = {
    'no part': () => rmSync(part),
    'no journal': () => rmSync(journal),
    'an empty part': () => writeFileSync(part, ''),
    'another part': () => writeFileSync(part, pseudoRandom(bytes, 'another')),
    'a longer part': () => appendFileSync(part, pseudoRandom(2 * chunkBytes, 'longer')),
    'a journal with more behind it': () => appendFileSync(journal, pseudoRandom(100, 'more')),
    'a journal with itself behind it': () => appendFileSync(journal, readFileSync(journal)),
    'a part that is a link': () => replace(part, () => symlinkSync(elsewhere, part)),
    'a journal that is a link': () => replace(journal, () => symlinkSync(elsewhere, journal)),
    'a part that is a folder': () => replace(part, () => mkdirSync(part)),
    'a journal that is a folder': () =>
      replace(journal, () => mkdirSync(join(journal, 'inside'), {recursive: true})),
    'the part as the journal': () => writeFileSync(journal, readFileSync(part)),
    'the journal as the part': () => writeFileSync(part, readFileSync(journal)),
  };
  await damage(t, 'something else in the place of a part or its journal', begun, Object.keys(ways), (way) =>
    ways[way]?.(),
  );
  t.is(readFileSync(elsewhere, 'utf8'), 'of somebody else');
});

test.serial('a part of another version of a file is no part of this one', async (t) => {
  const begun = await Begun.make(t);
  const {file} = begun;
  const ways: Record<string, () => void> = {
    'the same size and time': () => rewrite(file, pseudoRandom(bytes, 'other'), 1_700_000_000.25),
    'the same size': () => rewrite(file, pseudoRandom(bytes, 'other'), 1_700_000_001),
    'the same bytes, another time': () => rewrite(file, readFileSync(file), 1_700_000_001),
    shorter: () => rewrite(file, readFileSync(file).subarray(0, bytes - 1), 1_700_000_000.25),
    longer: () => rewrite(file, Buffer.concat([readFileSync(file), Buffer.of(1)]), 1_700_000_000.25),
    'a last chunk that is other': () => flipAndStamp(file, bytes - 1),
    'a first chunk that is other': () => flipAndStamp(file, 0),
    'another mode': () => chmodSync(file, 0o640),
    'no chunk any more': () => rewrite(file, Buffer.of(), 1_700_000_000.25),
    'one chunk': () => rewrite(file, pseudoRandom(1000), 1_700_000_000.25),
  };
  await damage(t, 'file changed between two sessions', begun, Object.keys(ways), (way) => ways[way]?.());
});

function replace(path: string, make: () => void): void {
  rmSync(path);
  make();
}

function rewrite(path: string, content: Uint8Array, mtime: number): void {
  writeFileSync(path, content);
  utimesSync(path, mtime, mtime);
}

function flipAndStamp(path: string, at: number): void {
  flip(path, at);
  utimesSync(path, 1_700_000_000, 1_700_000_000.25);
}
