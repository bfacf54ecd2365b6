import {join} from 'node:path';
import test from 'ava';
import {get, share} from '../src/index.ts';
import {makeFolder} from './helpers/folder.ts';
import {loopback} from './helpers/loopback.ts';
import {assertSameBytes, assertSameTree, pseudoRandom, writeFiles} from './helpers/tree.ts';

test('what is shared can be fetched, by several at once and again', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {
    'photos/a.jpg': pseudoRandom(1_000_000),
    'photos/b.jpg': 'b',
    'movie.mp4': 'film',
  });
  await using sharer = await share([join(folder, 'photos'), join(folder, 'movie.mp4')], {bind: loopback});

  const fetch = (directory: string) => get(sharer.ticket, {directory: join(folder, directory)}).finished();
  const reports = [...(await Promise.all([fetch('one'), fetch('two')])), await fetch('three')];

  for (const [index, directory] of ['one', 'two', 'three'].entries()) {
    t.is(reports[index]?.files, 3);
    await assertSameTree(t, join(folder, directory, 'photos'), join(folder, 'photos'));
    assertSameBytes(t, join(folder, directory, 'movie.mp4'), join(folder, 'movie.mp4'));
  }
});

test('a sharer lists the transfers of those who fetch', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'shared'});
  await using sharer = await share([join(folder, 'file')], {bind: loopback});

  const fetched = get(sharer.ticket, {directory: join(folder, 'inbox'), name: 'bob'}).finished();

  for await (const transfer of sharer) {
    t.is(transfer.peer?.name, 'bob');
    t.is((await transfer.finished()).files, 1);
    break;
  }
  t.is((await fetched).bytes, 6);
});

test('what a sharer cannot read is reported to whoever fetches', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'shared'});
  await using sharer = await share([join(folder, 'file'), join(folder, 'gone')], {bind: loopback});

  const report = await get(sharer.ticket, {directory: join(folder, 'inbox')}).finished();

  t.is(report.files, 1);
  t.like(report.failed, [{path: 'gone', code: 'SOURCE_GONE'}]);
});
