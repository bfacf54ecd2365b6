import {readFile, stat, utimes} from 'node:fs/promises';
import {join} from 'node:path';
import test from 'ava';
import {get, receive, send, share, type DurabilityOption, type Progress} from '../src/index.ts';
import {listenOn, run} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {deliver, loopback, startReceiver} from './helpers/loopback.ts';
import {assertSameTree, listDelivered, pseudoRandom, writeFiles} from './helpers/tree.ts';

/** What a caller without types may pass. */
const wrong = (value: unknown): never => value as never;

const long = new Date('2020-01-01T00:00:00Z');
const bytes = 900_000;

test('checksum notices another content under the same size and time', async (t) => {
  const folder = makeFolder(t);
  const [file, inbox] = [join(folder, 'file'), join(folder, 'inbox')];
  await writeFiles(folder, {file: pseudoRandom(bytes, 'new'), 'inbox/file': pseudoRandom(bytes, 'old')});
  for (const path of [file, join(inbox, 'file')]) await utimes(path, long, long);

  t.like(await deliver(t, [file], inbox), {files: 0, filesPresent: 1, bytesPresent: bytes});
  const checked = await deliver(t, [file], inbox, {checksum: true});

  t.like(checked, {files: 1, bytes, filesPresent: 0, renamed: 1, bytesResumed: 0, restarted: 0, failed: []});
  t.deepEqual(await listDelivered(inbox), ['file', 'file (2)']);
  t.deepEqual(await readFile(join(inbox, 'file')), pseudoRandom(bytes, 'old'));
  t.deepEqual(await readFile(join(inbox, 'file (2)')), pseudoRandom(bytes, 'new'));
});

test('checksum finds again what had to be called otherwise', async (t) => {
  const folder = makeFolder(t);
  const [file, inbox] = [join(folder, 'file'), join(folder, 'inbox')];
  await writeFiles(folder, {file: pseudoRandom(bytes, 'new'), 'inbox/file': pseudoRandom(bytes, 'old')});
  await deliver(t, [file], inbox, {checksum: true});

  for (const checksum of [true, false]) {
    t.like(
      await deliver(t, [file], inbox, {checksum}),
      {files: 0, filesPresent: 1, renamed: 0},
      `${checksum}`,
    );
  }
  t.deepEqual(await listDelivered(inbox), ['file', 'file (2)']);
});

test('checksum takes the same content for the same file, whatever its time', async (t) => {
  const folder = makeFolder(t);
  const [file, inbox] = [join(folder, 'file'), join(folder, 'inbox')];
  await writeFiles(folder, {file: pseudoRandom(bytes), 'inbox/file': pseudoRandom(bytes)});
  await utimes(file, long, long);
  const {mtimeMs} = await stat(join(inbox, 'file'));
  await using receiver = await receive({directory: inbox, bind: loopback});
  await using sharer = await share([file], {bind: loopback});
  // Not into the folder of the receiver.
  const fetched = join(folder, 'fetched');
  await writeFiles(folder, {'fetched/file': pseudoRandom(bytes)});

  for (const transfer of [
    send([file], {to: receiver.ticket, checksum: true}),
    get(sharer.ticket, {directory: fetched, checksum: true}),
  ]) {
    let last: Progress | undefined;
    for await (const progress of transfer.progress(10)) last = progress;
    const report = await transfer.finished();
    t.like(report, {files: 0, bytes: 0, filesPresent: 1, bytesPresent: bytes, bytesResumed: 0, restarted: 0});
    t.like(last, {bytesTotal: bytes, bytesDone: bytes, bytesPresent: bytes, bytesResumed: 0});
  }
  t.deepEqual(await listDelivered(inbox), ['file']);
  t.is((await stat(join(inbox, 'file'))).mtimeMs, mtimeMs);
});

test('checksum delivers what is not there', async (t) => {
  const folder = makeFolder(t);
  const tree = join(folder, 'tree');
  await writeFiles(tree, {large: pseudoRandom(3_000_000), 'folder/small': 'small', empty: ''});

  const first = await deliver(t, [tree], join(folder, 'inbox'), {checksum: true});
  const second = await deliver(t, [tree], join(folder, 'inbox'), {checksum: true});

  t.like(first, {files: 3, filesPresent: 0, bytesResumed: 0});
  t.like(second, {files: 0, filesPresent: 3, bytesPresent: 3_000_005, bytesResumed: 0});
  await assertSameTree(t, join(folder, 'inbox/tree'), tree);
});

test('the command with --checksum says that all is there already', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: pseudoRandom(bytes), 'inbox/file': pseudoRandom(bytes)});
  await utimes(join(folder, 'file'), long, long);
  const {process: receiver, ticket} = await listenOn(t, ['receive', join(folder, 'inbox')]);

  const sent = await run(t, ['send', join(folder, 'file'), '--to', ticket, '--checksum']);

  t.is(sent.code, 0, sent.stderr);
  t.regex(sent.stderr, /\nAlready there: 1 file, 900 kB\n$/);
  await receiver.said('stderr', /Already there: 1 file, 900 kB from /);
});

test('what is read again after it was written is delivered all the same, at every durability', async (t) => {
  const folder = makeFolder(t);
  const tree = join(folder, 'tree');
  await writeFiles(tree, {
    large: pseudoRandom(3_000_000),
    cached: pseudoRandom(bytes),
    small: 'small',
    empty: '',
  });
  await using sharer = await share([tree], {bind: loopback});

  for (const durability of ['session', 'file', 'none'] as const) {
    for (const verify of [true, false]) {
      const [inbox, fetched] = [
        join(folder, `${durability} ${verify}`),
        join(folder, `${durability} ${verify} got`),
      ];
      await using receiver = await receive({directory: inbox, bind: loopback, durability});
      const sent = await send([tree], {to: receiver.ticket, verify}).finished();
      const got = await get(sharer.ticket, {directory: fetched, durability, verify}).finished();
      for (const report of [sent, got]) t.like(report, {files: 4, failed: []});
      for (const target of [inbox, fetched]) await assertSameTree(t, join(target, 'tree'), tree);
    }
  }
});

test('a durability or a check of another kind is INVALID_OPTION', async (t) => {
  const directory = makeFolder(t);
  const {ticket: to} = await startReceiver(t, directory);
  await using sharer = await share([directory], {bind: loopback});

  for (const durability of ['', 'always', 'FILE', 1, null, true].map(
    wrong,
  ) as DurabilityOption['durability'][]) {
    await t.throwsAsync(receive({directory, bind: loopback, durability}), {code: 'INVALID_OPTION'});
    t.throws(() => get(sharer.ticket, {directory, durability}), {code: 'INVALID_OPTION'});
  }
  for (const check of ['yes', 1, null].map(wrong) as boolean[]) {
    t.throws(() => send([directory], {to, checksum: check}), {code: 'INVALID_OPTION'}, String(check));
    t.throws(() => send([directory], {to, verify: check}), {code: 'INVALID_OPTION'}, String(check));
  }
});

test('a durability that there is not is wrong usage', async (t) => {
  for (const args of [['receive'], ['get', 'hawser1nonsense']]) {
    const {code, stderr} = await run(t, [...args, '--durability', 'nonsense']);
    t.is(code, 2, stderr);
    t.regex(stderr, /Allowed choices are session, file, none/);
  }
});

test('the command takes every durability', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  for (const durability of ['session', 'file', 'none']) {
    const inbox = join(folder, 'inbox', durability);
    const {ticket} = await listenOn(t, ['receive', inbox, '--durability', durability, '--once']);
    const sent = await run(t, ['send', join(folder, 'file'), '--to', ticket, '--verify']);
    t.is(sent.code, 0, sent.stderr);
    t.deepEqual(await listDelivered(inbox), ['file']);
  }
});
