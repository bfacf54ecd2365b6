import {existsSync} from 'node:fs';
import {readFile, readdir, symlink} from 'node:fs/promises';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import test from 'ava';
import {partials, removePartials} from '../src/index.ts';
import {makeFolder} from './helpers/folder.ts';
import {deliver} from './helpers/loopback.ts';
import {begin, cutOff, dateBack, partOfBytes} from './helpers/partials.ts';
import {assertSameBytes, listDelivered, writeFiles} from './helpers/tree.ts';

const unix = process.platform === 'win32' ? test.skip : test;

test('a transfer that was cut off leaves a part file, which is listed', async (t) => {
  const before = Date.now();
  const {inbox} = await cutOff(t, 'big');

  const [file, ...others] = await partials(pathToFileURL(inbox));

  t.deepEqual(others, []);
  if (file?.kind !== 'part') return t.fail('it is unknown');
  t.like(file, {path: 'big', size: partOfBytes, inUse: false});
  t.true(file.bytesHeld > 0 && file.bytesHeld < partOfBytes);
  t.true(file.bytesOnDisk >= file.bytesHeld);
  t.true(file.lastWritten.getTime() > before - 2000 && file.lastWritten.getTime() < Date.now() + 2000);
  t.regex(file.fingerprint, /^(?:[a-z2-7]{4}-){3}[a-z2-7]{4}$/);
  t.true((await readdir(join(inbox, '.hawser/partials'))).includes(file.name));
});

test('once part files are removed, the next transfer starts from nothing and succeeds', async (t) => {
  const {file, inbox} = await cutOff(t, 'big');
  const listed = await partials(inbox);

  t.deepEqual(await removePartials(inbox), {removed: listed, remaining: []});
  t.false(existsSync(join(inbox, '.hawser')));
  t.deepEqual(await partials(inbox), []);

  t.like(await deliver(t, [file], inbox), {bytes: partOfBytes, bytesMoved: partOfBytes, bytesResumed: 0});
  assertSameBytes(t, join(inbox, 'big'), file);
});

test('what a transfer is writing is in use and stays, and the transfer goes on', async (t) => {
  const {file, inbox, transfer, close} = await begin(t, 'big');

  t.like(await partials(inbox), [{inUse: true}]);
  const {removed, remaining} = await removePartials(inbox);
  t.deepEqual(removed, []);
  t.like(remaining, [{file: {inUse: true}, message: 'it is in use'}]);

  transfer.setLimit(undefined);
  await transfer.finished();
  await close();
  assertSameBytes(t, join(inbox, 'big'), file);
  t.deepEqual(await partials(inbox), []);
});

test('only what was not written for so long is removed', async (t) => {
  const {inbox} = await cutOff(t, 'big');
  await dateBack(inbox, new Date(Date.now() - 3_600_000));
  await writeFiles(inbox, {'.hawser/partials/new': ''});

  const {removed, remaining} = await removePartials(inbox, {olderThanMs: 1_800_000});

  t.like(removed, [{kind: 'part', path: 'big'}]);
  t.deepEqual(remaining, []);
  t.like(await partials(inbox), [{kind: 'unknown', name: 'new'}]);
});

unix('a link that is called like a part file is not followed', async (t) => {
  const folder = makeFolder(t);
  const name = `${'0123456789abcdef'.repeat(2)}.part`;
  await writeFiles(folder, {secret: 'secret', 'inbox/.hawser/partials/other': ''});
  await symlink(join(folder, 'secret'), join(folder, 'inbox/.hawser/partials', name));

  t.like(await partials(join(folder, 'inbox')), [{kind: 'unknown', name}, {name: 'other'}]);
  const {removed} = await removePartials(join(folder, 'inbox'));

  t.is(removed.length, 2);
  t.is(await readFile(join(folder, 'secret'), 'utf8'), 'secret');
  t.deepEqual(await readdir(join(folder, 'inbox')), []);
});

test('what cannot be removed remains, with the reason, and the rest goes', async (t) => {
  const inbox = makeFolder(t);
  await writeFiles(inbox, {'.hawser/partials/folder/file': '', '.hawser/partials/other': ''});

  const {removed, remaining} = await removePartials(inbox);

  t.like(removed, [{name: 'other'}]);
  t.like(remaining, [{file: {kind: 'unknown', name: 'folder', inUse: false}}]);
  t.regex(remaining[0]?.message ?? '', /^it cannot be removed: ./);
  t.true(existsSync(join(inbox, '.hawser/partials/folder/file')));
});

test('what was delivered is no part file', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'delivered', 'looks.part': 'delivered, too'});
  const inbox = join(folder, 'inbox');
  await deliver(t, [join(folder, 'file'), join(folder, 'looks.part')], inbox);

  t.deepEqual(await partials(inbox), []);
  t.deepEqual(await removePartials(inbox), {removed: [], remaining: []});
  t.deepEqual(await listDelivered(inbox), ['file', 'looks.part']);
});

test('a folder that is not there, or is none, rejects', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: ''});

  for (const call of [partials, removePartials]) {
    await t.throwsAsync(call(join(folder, 'gone')), {name: 'HawserError', code: 'NOT_FOUND'});
    await t.throwsAsync(call(join(folder, 'file')), {name: 'HawserError', code: 'IO'});
    await t.throwsAsync(call(''), {name: 'HawserError', code: 'INVALID_OPTION'});
  }
  for (const olderThanMs of [-1, 0.5, Infinity, '7' as unknown as number])
    await t.throwsAsync(removePartials(folder, {olderThanMs}), {code: 'INVALID_OPTION'});
});
