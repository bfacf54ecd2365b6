import {readFile, utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import test from 'ava';
import {makeFolder} from './helpers/folder.ts';
import {deliver} from './helpers/loopback.ts';
import {assertSameTree, listDelivered, pseudoRandom, writeFiles} from './helpers/tree.ts';

test('sending the same tree again finds all of it there', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {'tree/a': pseudoRandom(500_000), 'tree/b/c': 'c', 'tree/empty': ''});
  const paths = [join(folder, 'tree')];
  await deliver(t, paths, join(folder, 'inbox'));

  const again = await deliver(t, paths, join(folder, 'inbox'));

  t.is(again.files, 0);
  t.is(again.bytes, 0);
  t.is(again.filesPresent, 3);
  t.is(again.bytesPresent, 500_001);
  t.true(again.entries.every(({kind, fate}) => kind === 'folder' || fate === 'present'));
  await assertSameTree(t, join(folder, 'inbox/tree'), join(folder, 'tree'));
});

test('a different file of the same name stays, and the new one gets a number', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {'photo.jpg': 'new', 'inbox/photo.jpg': 'old'});
  // Two files written at the same tick of the system's clock have the same time.
  await utimes(join(folder, 'inbox/photo.jpg'), 1, 1);

  const report = await deliver(t, [join(folder, 'photo.jpg')], join(folder, 'inbox'));

  t.like(report.entries[0], {path: 'photo.jpg', fate: 'delivered', renamedTo: 'photo (2).jpg'});
  t.is(await readFile(join(folder, 'inbox/photo.jpg'), 'utf8'), 'old');
  t.is(await readFile(join(folder, 'inbox/photo (2).jpg'), 'utf8'), 'new');
});

test('a third different file gets the next number', async (t) => {
  const folder = makeFolder(t);
  for (const content of ['one', 'two', 'three']) {
    await writeFile(join(folder, 'photo.jpg'), content);
    await utimes(join(folder, 'photo.jpg'), 1, content.charCodeAt(1));
    await deliver(t, [join(folder, 'photo.jpg')], join(folder, 'inbox'));
  }

  t.is(await readFile(join(folder, 'inbox/photo (3).jpg'), 'utf8'), 'three');
});

test('two sources of the same name both arrive', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {'here/note.txt': 'here', 'there/note.txt': 'there'});

  const paths = [join(folder, 'here/note.txt'), join(folder, 'there/note.txt')];
  await deliver(t, paths, join(folder, 'inbox'));

  const names = ['note.txt', 'note (2).txt'];
  const contents = await Promise.all(names.map((name) => readFile(join(folder, 'inbox', name), 'utf8')));
  t.deepEqual(contents.toSorted(), ['here', 'there']);
});

test('nothing but what was sent is left in the folder', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'alone'});

  await deliver(t, [join(folder, 'file')], join(folder, 'inbox'));

  t.deepEqual(await listDelivered(join(folder, 'inbox')), ['file']);
});
