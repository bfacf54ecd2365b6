import {execFileSync} from 'node:child_process';
import {appendFileSync, truncateSync} from 'node:fs';
import {mkdir, readFile, symlink} from 'node:fs/promises';
import {join, parse} from 'node:path';
import test from 'ava';
import {send, share, type FailedEntry, type Report} from '../src/index.ts';
import {makeFolder} from './helpers/folder.ts';
import {deliver, loopback, startReceiver} from './helpers/loopback.ts';
import {assertSameTree, listDelivered, writeFiles, writeSparse} from './helpers/tree.ts';

const unix = process.platform === 'win32' ? test.skip : test;

/** What failed and why, by path. */
function failures(report: Report): Record<string, FailedEntry['code']> {
  return Object.fromEntries(report.failed.map(({path, code}) => [path, code]));
}

test('a path that does not exist fails alone', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {there: 'there'});

  const report = await deliver(t, [join(folder, 'not there'), join(folder, 'there')], join(folder, 'inbox'));

  t.deepEqual(failures(report), {'not there': 'SOURCE_GONE'});
  t.is(report.files, 1);
  t.is(await readFile(join(folder, 'inbox/there'), 'utf8'), 'there');
});

test('where nothing is there to be sent, nothing is started', async (t) => {
  const folder = makeFolder(t);
  const receiver = await startReceiver(t, join(folder, 'inbox'));
  const gone = [join(folder, 'gone'), join(folder, 'too')];

  t.throws(() => send(gone, {to: receiver.ticket}), {
    code: 'NOT_FOUND',
    message: /cannot send .+gone: it is not there/,
  });
  await t.throwsAsync(async () => share(gone, {bind: loopback}), {code: 'NOT_FOUND'});
  t.throws(() => send([parse(folder).root], {to: receiver.ticket}), {
    code: 'INVALID_OPTION',
    message: /root folder/,
  });
});

unix('what is neither file, folder nor link fails alone', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {'tree/file': 'file'});
  execFileSync('mkfifo', [join(folder, 'tree/fifo')]);

  const report = await deliver(t, [join(folder, 'tree')], join(folder, 'inbox'));

  t.deepEqual(failures(report), {'tree/fifo': 'UNSUPPORTED_TYPE'});
  t.is(await readFile(join(folder, 'inbox/tree/file'), 'utf8'), 'file');
});

test('a link that leads out of what is sent fails alone', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {'tree/file': 'file', secret: 'secret'});
  await symlink('../secret', join(folder, 'tree/up'));
  await symlink('/etc/hostname', join(folder, 'tree/absolute'));

  const report = await deliver(t, [join(folder, 'tree')], join(folder, 'inbox'));

  t.deepEqual(failures(report), {'tree/up': 'LINK_OUTSIDE', 'tree/absolute': 'LINK_OUTSIDE'});
  t.is(report.files, 1);
});

for (const [what, change] of [
  ['shrinks', (path: string) => truncateSync(path, 1000)],
  ['grows', (path: string) => appendFileSync(path, 'more')],
] as const) {
  test(`a file that ${what} while it is sent fails alone`, async (t) => {
    const folder = makeFolder(t);
    const path = join(folder, 'changing');
    writeSparse(path, 2 ** 30);
    await writeFiles(folder, {calm: 'calm'});
    const receiver = await startReceiver(t, join(folder, 'inbox'));

    const transfer = send([path, join(folder, 'calm')], {to: receiver.ticket});
    for await (const {bytesDone} of transfer.progress()) {
      if (bytesDone > 0) break;
    }
    change(path);
    const report = await transfer.finished();

    t.deepEqual(failures(report), {changing: 'SOURCE_CHANGED'});
    t.is(await readFile(join(folder, 'inbox/calm'), 'utf8'), 'calm');
  });
}

test('a path given twice arrives once', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'once'});

  const report = await deliver(t, [join(folder, 'file'), join(folder, 'file')], join(folder, 'inbox'));

  t.deepEqual(report.failed, []);
  t.deepEqual(await listDelivered(join(folder, 'inbox')), ['file']);
});

test('a path within another given path arrives in both places', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {'tree/in/file': 'nested'});

  const report = await deliver(t, [join(folder, 'tree'), join(folder, 'tree/in')], join(folder, 'inbox'));

  t.deepEqual(report.failed, []);
  await assertSameTree(t, join(folder, 'inbox/tree'), join(folder, 'tree'));
  await assertSameTree(t, join(folder, 'inbox/in'), join(folder, 'tree/in'));
});

test('a folder that is empty arrives', async (t) => {
  const folder = makeFolder(t);
  await mkdir(join(folder, 'nothing'));

  const report = await deliver(t, [join(folder, 'nothing')], join(folder, 'inbox'));

  t.is(report.files, 0);
  await assertSameTree(t, join(folder, 'inbox/nothing'), join(folder, 'nothing'));
});
