import {stat} from 'node:fs/promises';
import {join} from 'node:path';
import test from 'ava';
import {send} from '../src/index.ts';
import {makeFolder} from './helpers/folder.ts';
import {deliver, startReceiver} from './helpers/loopback.ts';
import {assertSameTree, pseudoRandom, writeFiles, writeSparse} from './helpers/tree.ts';

test('eight senders at once each deliver their tree', async (t) => {
  const folder = makeFolder(t);
  const senders = Array.from({length: 8}, (_, index) => `sender ${index}`);
  for (const sender of senders) {
    await writeFiles(join(folder, sender), {file: sender, 'in/random': pseudoRandom(3_000_000, sender)});
  }
  const receiver = await startReceiver(t, join(folder, 'inbox'));

  await Promise.all(senders.map((sender) => send([join(folder, sender)], {to: receiver.ticket}).finished()));

  for (const sender of senders) await assertSameTree(t, join(folder, 'inbox', sender), join(folder, sender));
});

test('a small file behind a huge one arrives while the huge one still runs', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'huge'), 2 ** 32);
  await writeFiles(folder, {small: 'small'});
  const receiver = await startReceiver(t, join(folder, 'inbox'));

  await using transfer = send([join(folder, 'huge'), join(folder, 'small')], {to: receiver.ticket});
  for await (const {filesDone} of transfer.progress()) {
    if (filesDone > 0) break;
  }

  t.is((await stat(join(folder, 'inbox/small'))).size, 5);
  await t.throwsAsync(stat(join(folder, 'inbox/huge')), {code: 'ENOENT'});
});

test('a timer of 10 ms keeps its time during a transfer', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'large'), 2 ** 29);

  let ticks = 0;
  const timer = setInterval(() => ticks++, 10);
  const begin = performance.now();
  await deliver(t, [join(folder, 'large')], join(folder, 'inbox'));
  const due = (performance.now() - begin) / 10;
  clearInterval(timer);

  // Both sides run in this process, and others beside it: ticks are lost to them. A blocked loop would hardly tick at all.
  t.true(due > 10, 'the transfer was too short to tell');
  t.true(ticks > due / 5, `${ticks} of ${Math.round(due)} ticks`);
});
