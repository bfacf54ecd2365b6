import {chmod, link, mkdir, symlink, utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import test from 'ava';
import {makeFolder} from './helpers/folder.ts';
import {deliver, startReceiver} from './helpers/loopback.ts';
import {assertSameBytes, assertSameTree, pseudoRandom, writeFiles, writeSparse} from './helpers/tree.ts';
import {send} from '../src/index.ts';

const chunkBytes = 256 * 1024;
const linux = process.platform === 'linux' ? test : test.skip;

test('a tree arrives with its bytes, modes, times, links and empty folders', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(join(folder, 'tree'), {
    empty: '',
    'one byte': 'x',
    'just under a chunk': pseudoRandom(chunkBytes - 1, 'under'),
    'a chunk': pseudoRandom(chunkBytes, 'exact'),
    'just over a chunk': pseudoRandom(chunkBytes + 1, 'over'),
    'several MiB': pseudoRandom(9_999_999, 'several'),
    'deep/er/still/file': 'deep',
    'naïve/日本語/🪢.txt': 'names',
    'run.sh': '#!/bin/sh\n',
    'read only': 'sealed',
  });
  await mkdir(join(folder, 'tree/empty folder/in it'), {recursive: true});
  await symlink('one byte', join(folder, 'tree/link'));
  await symlink('../run.sh', join(folder, 'tree/deep/up'));
  await symlink('no such file', join(folder, 'tree/dangling'));
  await chmod(join(folder, 'tree/run.sh'), 0o755);
  await chmod(join(folder, 'tree/read only'), 0o444);
  await chmod(join(folder, 'tree/deep/er'), 0o700);
  await utimes(join(folder, 'tree/one byte'), 1_000_000_000.5, 1_000_000_000.5);
  await utimes(join(folder, 'tree/empty folder'), 1_234_567_890, 1_234_567_890);

  const report = await deliver(t, [join(folder, 'tree')], join(folder, 'inbox'));

  await assertSameTree(t, join(folder, 'inbox/tree'), join(folder, 'tree'));
  t.is(report.files, 10);
  t.deepEqual(report.failed, []);
});

test('a report tells the fate, size and BLAKE3 hash of each entry', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {'tree/abc': 'abc', 'tree/empty': ''});

  const report = await deliver(t, [join(folder, 'tree')], join(folder, 'inbox'));

  const entries = report.entries.toSorted((a, b) => a.path.localeCompare(b.path));
  t.deepEqual(entries, [
    {path: 'tree', kind: 'folder', size: 0, fate: 'delivered', renamedTo: undefined, hash: undefined},
    {
      path: 'tree/abc',
      kind: 'file',
      size: 3,
      fate: 'delivered',
      renamedTo: undefined,
      hash: '6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85',
    },
    {
      path: 'tree/empty',
      kind: 'file',
      size: 0,
      fate: 'delivered',
      renamedTo: undefined,
      hash: 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262',
    },
  ]);
  t.is(report.files, 2);
  t.is(report.bytes, 3);
  t.is(report.filesPresent, 0);
  t.true(report.durationMs >= 0);
});

test('with entries: failed a report lists no entry that went well', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {a: 'a', b: 'b'});

  const report = await deliver(t, [join(folder, 'a'), join(folder, 'b')], join(folder, 'inbox'), {
    entries: 'failed',
  });

  t.deepEqual(report.entries, []);
  t.is(report.files, 2);
});

test('both sides report the same and know each other by name', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {'tree/a': pseudoRandom(100_000), 'tree/b': 'b'});
  const receiver = await startReceiver(t, join(folder, 'inbox'));

  const transfer = send([join(folder, 'tree')], {to: receiver.ticket, name: 'alice'});
  const sent = await transfer.finished();
  for await (const incoming of receiver) {
    t.is(incoming.peer?.name, 'alice');
    const received = await incoming.finished();
    t.is(received.files, sent.files);
    t.is(received.bytes, sent.bytes);
    t.deepEqual(received.failed, sent.failed);
    break;
  }
  t.is(transfer.peer?.address, `127.0.0.1:${receiver.port}`);
});

test('a path may be a string, a file: URL or bytes', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {string: '1', 'an URL': '2', bytes: '3'});
  const paths = [
    join(folder, 'string'),
    pathToFileURL(join(folder, 'an URL')),
    Buffer.from(join(folder, 'bytes')),
  ];

  await deliver(t, paths, pathToFileURL(join(folder, 'inbox')));

  for (const name of ['string', 'an URL', 'bytes']) {
    assertSameBytes(t, join(folder, 'inbox', name), join(folder, name));
  }
});

linux('names that are not UTF-8 arrive as they are', async (t) => {
  const folder = makeFolder(t);
  const latin1 = Buffer.from('na\u00efve.txt', 'latin1');
  await mkdir(join(folder, 'tree'));
  await writeFile(Buffer.concat([Buffer.from(join(folder, 'tree/')), latin1]), 'inside');
  const alone = Buffer.concat([Buffer.from(`${folder}/`), latin1]);
  await writeFile(alone, 'alone');

  await deliver(t, [join(folder, 'tree'), alone], join(folder, 'inbox'));

  await assertSameTree(t, join(folder, 'inbox/tree'), join(folder, 'tree'));
  assertSameBytes(t, Buffer.concat([Buffer.from(join(folder, 'inbox/')), latin1]), alone);
});

test('two names of the same file arrive as two files', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {'tree/one': 'hard'});
  await link(join(folder, 'tree/one'), join(folder, 'tree/two'));

  await deliver(t, [join(folder, 'tree')], join(folder, 'inbox'));

  await assertSameTree(t, join(folder, 'inbox/tree'), join(folder, 'tree'));
});

test('a file beyond 4 GiB arrives whole', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'huge'), 2 ** 32 + 4097);

  const report = await deliver(t, [join(folder, 'huge')], join(folder, 'inbox'));

  t.is(report.bytes, 2 ** 32 + 4097);
  assertSameBytes(t, join(folder, 'inbox/huge'), join(folder, 'huge'));
});

for (const lanes of [1, 16]) {
  test(`a tree arrives over ${lanes} lane${lanes === 1 ? '' : 's'}`, async (t) => {
    const folder = makeFolder(t);
    for (let index = 0; index < 300; index++) {
      await writeFiles(folder, {[`tree/${index}`]: pseudoRandom(index * 997, `${index}`)});
    }

    const report = await deliver(t, [join(folder, 'tree')], join(folder, 'inbox'), {lanes});

    t.is(report.files, 300);
    await assertSameTree(t, join(folder, 'inbox/tree'), join(folder, 'tree'));
  });
}
