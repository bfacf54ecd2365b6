import {appendFile, mkdir, rename, rm, symlink, utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import test, {type ExecutionContext} from 'ava';
import {verify, type VerifyProgress} from '../src/index.ts';
import {makeFolder} from './helpers/folder.ts';
import {deliver} from './helpers/loopback.ts';
import {listRecords, recordAsEmpty, writeRecord} from './helpers/record.ts';
import {pseudoRandom, writeFiles, writeSparse} from './helpers/tree.ts';

const unix = process.platform === 'win32' ? test.skip : test;
const linux = process.platform === 'linux' ? test : test.skip;

/** A folder into which `tree` was delivered: `a/inner`, `big`, `empty`. */
async function deliverTree(t: ExecutionContext): Promise<string> {
  const folder = makeFolder(t);
  const files = {'tree/a/inner': 'inner', 'tree/big': pseudoRandom(3_000_000), 'tree/empty': ''};
  await writeFiles(folder, files);
  await deliver(t, [join(folder, 'tree')], join(folder, 'inbox'));
  return join(folder, 'inbox');
}

/** What differs, as `change path`. */
async function differences(folder: string, session?: string): Promise<string[]> {
  const report = await verify(folder, {session}).finished();
  return report.differences.map(({change, path}) => `${change} ${path}`);
}

test('what was delivered is as it was delivered', async (t) => {
  const inbox = await deliverTree(t);

  const report = await verify(inbox).finished();

  t.like(report, {files: 3, bytes: 3_000_005, differences: []});
  t.deepEqual(
    report.sessions.map((session) => `${session}.b3`),
    await listRecords(inbox),
  );
  t.true(report.durationMs >= 0);
});

test('one other byte under the same size and time is found', async (t) => {
  const inbox = await deliverTree(t);
  const other = pseudoRandom(3_000_000);
  other.writeUInt8(other.readUInt8(1_500_000) ^ 1, 1_500_000);
  const time = new Date('2026-01-02T03:04:05Z');
  await utimes(join(inbox, 'tree/big'), time, time);
  await writeFile(join(inbox, 'tree/big'), other);
  await utimes(join(inbox, 'tree/big'), time, time);

  const {differences: found} = await verify(inbox).finished();

  t.deepEqual(found, [{path: 'tree/big', change: 'changed', message: 'it is not what was delivered'}]);
});

test('what is gone, or has got longer, is named in order', async (t) => {
  const inbox = await deliverTree(t);
  await rm(join(inbox, 'tree/a'), {recursive: true});
  await appendFile(join(inbox, 'tree/empty'), 'x');

  t.deepEqual(await differences(inbox), ['missing tree/a/inner', 'changed tree/empty']);
});

unix('a link where a file or folder was is not followed', async (t) => {
  const inbox = await deliverTree(t);
  await rename(join(inbox, 'tree/a'), join(inbox, 'moved'));
  await rename(join(inbox, 'tree/big'), join(inbox, 'moved/big'));
  await symlink('../moved', join(inbox, 'tree/a'));
  await symlink('../moved/big', join(inbox, 'tree/big'));

  t.deepEqual(await differences(inbox), ['changed tree/a/inner', 'changed tree/big']);
});

linux('names with line feeds, backslashes and bytes that are not UTF-8 are found again', async (t) => {
  const folder = makeFolder(t);
  const names = ['line\nfeed', 'back\\slash\\n', 'carriage\rreturn', 'caf\xe9 \xff'];
  const pathOf = (parent: string, name: string) =>
    Buffer.concat([Buffer.from(join(folder, parent, '/')), Buffer.from(name, 'latin1')]);
  await mkdir(join(folder, 'tree'));
  for (const name of names) await writeFile(pathOf('tree', name), name);
  await deliver(t, [join(folder, 'tree')], join(folder, 'inbox'));

  t.like(await verify(join(folder, 'inbox')).finished(), {files: 4, differences: []});

  for (const name of names) await rm(pathOf('inbox/tree', name));
  t.deepEqual(await differences(join(folder, 'inbox')), [
    'missing tree/back\\slash\\n',
    'missing tree/caf\ufffd \ufffd',
    'missing tree/carriage\rreturn',
    'missing tree/line\nfeed',
  ]);
});

test('the newest record counts, or all, or that of one session', async (t) => {
  const folder = makeFolder(t);
  const inbox = join(folder, 'inbox');
  await writeFiles(folder, {'one/both': 'old', 'one/first': '1', 'two/both': 'new'});
  await deliver(t, [join(folder, 'one/both'), join(folder, 'one/first')], inbox);
  await rm(join(inbox, 'both'));
  await deliver(t, [join(folder, 'two/both')], inbox);
  await rm(join(inbox, 'first'));

  t.deepEqual(await differences(inbox), []);
  t.deepEqual(await differences(inbox, 'all'), ['missing first']);
  const {sessions} = await verify(inbox, {session: 'all'}).finished();
  t.is(sessions.length, 2);
  t.deepEqual(await differences(inbox, sessions[1]), ['changed both', 'missing first']);
});

test('a session that delivers nothing new leaves the record of the one before', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  await deliver(t, [join(folder, 'file')], join(folder, 'inbox'));
  const before = await listRecords(join(folder, 'inbox'));
  t.is((await deliver(t, [join(folder, 'file')], join(folder, 'inbox'))).filesPresent, 1);

  t.deepEqual(await listRecords(join(folder, 'inbox')), before);
});

test('records are bounded, however many sessions there are', async (t) => {
  const folder = makeFolder(t);
  for (let session = 0; session < 18; session++) {
    await writeFiles(folder, {[`file${session}`]: 'x'});
    await deliver(t, [join(folder, `file${session}`)], join(folder, 'inbox'));
  }

  t.is((await listRecords(join(folder, 'inbox'))).length, 16);
  t.like(await verify(join(folder, 'inbox'), {session: 'all'}).finished(), {files: 16, differences: []});
});

test('what is sent on from a folder is sent without its records', async (t) => {
  const inbox = await deliverTree(t);

  const report = await deliver(t, [inbox], join(inbox, '../next'));

  t.deepEqual(report.failed, []);
  t.is(report.files, 3);
});

test('a folder without a record is NOT_FOUND, and so is one that is not there', async (t) => {
  const folder = makeFolder(t);
  const inbox = await deliverTree(t);

  await t.throwsAsync(verify(folder).finished(), {
    code: 'NOT_FOUND',
    message: /no session has left a record/,
  });
  await t.throwsAsync(verify(inbox, {session: 'other'}).finished(), {
    code: 'NOT_FOUND',
    message: /session other/,
  });
  await t.throwsAsync(verify(join(folder, 'gone')).finished(), {code: 'NOT_FOUND'});
});

test('a record that is none is an error that says where', async (t) => {
  const inbox = await deliverTree(t);
  await writeRecord(inbox, 'garbage\n\0\xff\n');

  await t.throwsAsync(verify(inbox).finished(), {
    code: 'IO',
    message: /99991231T235959\.999Z-0000000000000000\.b3: its line 1 is not one of a record$/,
  });
  t.deepEqual(await differences(inbox, (await listRecords(inbox))[0]), []);
});

test('a path or option that cannot be used is an INVALID_OPTION at once', (t) => {
  t.throws(() => verify(''), {code: 'INVALID_OPTION'});
  t.throws(() => verify(new URL('https://example.org')), {code: 'INVALID_OPTION'});
  t.throws(() => verify('.', {session: 7 as unknown as string}), {code: 'INVALID_OPTION'});
  t.throws(() => verify('.').progress(0), {code: 'INVALID_OPTION'});
});

test('progress begins at once and its last snapshot is the end', async (t) => {
  const inbox = await deliverTree(t);
  await rm(join(inbox, 'tree/a/inner'));

  const verification = verify(pathToFileURL(inbox));
  const snapshots: VerifyProgress[] = [];
  for await (const progress of verification.progress()) snapshots.push(progress);

  t.like(snapshots.at(-1), {filesTotal: 3, filesDone: 3, different: 1, bytesDone: 3_000_000});
  t.is((await verification.finished()).differences.length, 1);
});

test('closing ends it with CANCELLED, and an aborted signal with its reason', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'endless'), 2 ** 34);
  await recordAsEmpty(folder, 'endless');

  const closed = verify(folder);
  await closed.close();
  await t.throwsAsync(closed.finished(), {code: 'CANCELLED', message: /verification/});

  const controller = new AbortController();
  const aborted = verify(folder, {signal: controller.signal});
  for await (const {bytesDone} of aborted.progress(10))
    if (bytesDone > 0) controller.abort(new Error('enough'));
  await t.throwsAsync(aborted.finished(), {message: 'enough'});

  const never = verify(folder, {signal: AbortSignal.abort(new Error('before'))});
  await t.throwsAsync(never.finished(), {message: 'before'});
});
