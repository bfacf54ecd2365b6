import {rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {stripVTControlCharacters} from 'node:util';
import test, {type ExecutionContext} from 'ava';
import {hawser, hawserOnTerminal, parseEvents, run} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {deliver} from './helpers/loopback.ts';
import {listRecords, recordAsEmpty, writeRecord} from './helpers/record.ts';
import {writeFiles, writeSparse} from './helpers/tree.ts';

const linux = process.platform === 'linux' ? test : test.skip;

/** A folder into which these files were delivered. */
async function deliverFiles(t: ExecutionContext, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = makeFolder(t);
  await writeFiles(join(folder, 'from'), files);
  const paths = Object.keys(files).map((name) => join(folder, 'from', name));
  await deliver(t, paths, join(folder, 'inbox'));
  return join(folder, 'inbox');
}

test('verify says that all is as delivered', async (t) => {
  const inbox = await deliverFiles(t, {a: 'one', b: 'two'});

  const {code, stdout, stderr} = await run(t, ['verify', inbox]);

  t.is(code, 0, stderr);
  t.is(stdout, '');
  t.regex(stderr, /^Verified 2 files, 6 B in \d+\.\d s: all as delivered\n$/);
});

test('verify names what differs, escaped, and is 6', async (t) => {
  const inbox = await deliverFiles(t, {same: 'same', changed: 'one', 'gone\u202e': 'two'});
  await writeFile(join(inbox, 'changed'), 'eno');
  await rm(join(inbox, 'gone\u202e'));

  const {code, stderr} = await run(t, ['verify', inbox]);

  t.is(code, 6);
  t.regex(
    stderr,
    /^changed: changed\nmissing: gone\\u\{202e\}\nVerified 3 files, 7 B in \d+\.\d s: 1 changed, 1 missing\n$/,
  );
});

test('verify -q says only what differs', async (t) => {
  const inbox = await deliverFiles(t, {a: 'one', b: 'two'});

  t.deepEqual(await run(t, ['verify', inbox, '-q']), {code: 0, stdout: '', stderr: ''});
  await rm(join(inbox, 'b'));
  t.deepEqual(await run(t, ['verify', inbox, '-q']), {code: 6, stdout: '', stderr: 'missing: b\n'});
});

test('verify goes by the newest record, and by all of them with --all', async (t) => {
  const inbox = await deliverFiles(t, {first: '1'});
  await writeFiles(join(inbox, '../from'), {second: '2'});
  await deliver(t, [join(inbox, '../from/second')], inbox);
  await rm(join(inbox, 'first'));

  const newest = await run(t, ['verify', inbox]);
  const all = await run(t, ['verify', inbox, '--all']);

  t.is(newest.code, 0, newest.stderr);
  t.regex(newest.stderr, /^Verified 1 file,/);
  t.is(all.code, 6);
  t.regex(all.stderr, /^missing: first\nVerified 2 files of 2 sessions, 1 B in .+: 1 missing\n$/);
});

test('verify --json prints events, and nothing else', async (t) => {
  const inbox = await deliverFiles(t, {a: 'one', b: 'two'});
  await rm(join(inbox, 'b'));

  const {code, stdout, stderr} = await run(t, ['verify', inbox, '--json']);

  t.is(code, 6);
  t.is(stderr, '');
  const events = parseEvents(stdout);
  t.like(events[0], {v: 1, event: 'verifying'});
  t.deepEqual(events.at(-2), {
    v: 1,
    event: 'difference',
    path: 'b',
    change: 'missing',
    message: 'it is not there',
  });
  const sessions = (await listRecords(inbox)).map((name) => name.replace(/\.b3$/, ''));
  t.like(events.at(-1), {
    event: 'verified',
    sessions,
    files: 2,
    bytes: 3,
    changed: 0,
    missing: 1,
    unreadable: 0,
  });
});

test('nothing to verify is 7 and says where records are', async (t) => {
  const {code, stdout, stderr} = await run(t, ['verify', makeFolder(t)]);

  t.is(code, 7);
  t.is(stdout, '');
  t.regex(
    stderr,
    /^hawser: cannot verify .+: no session has left a record.+\n {2}Name the folder that "hawser receive"/,
  );
});

test('a damaged record is 7 and says where', async (t) => {
  const inbox = await deliverFiles(t, {a: 'one'});
  await writeRecord(inbox, 'garbage\n');

  const {code, stderr} = await run(t, ['verify', inbox]);

  t.is(code, 7);
  t.regex(stderr, /^hawser: cannot read .+\.b3: its line 1 is not one of a record\n/);
  t.notRegex(stderr, /^ +at /m);
});

test('Ctrl-C ends verify with 130', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'endless'), 2 ** 34);
  await recordAsEmpty(folder, 'endless');

  const verifying = hawser(t, ['verify', folder, '--json']);
  await verifying.said('stdout', /"bytesDone":[1-9]/);
  verifying.kill('SIGINT');

  const {code, stdout} = await verifying.ended();
  t.is(code, 130);
  t.like(parseEvents(stdout).at(-1), {event: 'error', code: 'CANCELLED'});
});

linux('verify shows one live line on a terminal, and takes it away at the end', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'large'), 2 ** 28);
  await recordAsEmpty(folder, 'large');

  const verifying = hawserOnTerminal(t, ['verify', folder]);
  await verifying.said('stdout', /\d\/1 files {2}[\d.]+ MB {2}/);

  const {code, stdout} = await verifying.ended();
  t.is(code, 6);
  // It is not drawn again between the last words.
  const said = stripVTControlCharacters(stdout);
  t.regex(said, /\r\nchanged: large\r\nVerified 1 file, 268 MB in .+: 1 changed\r\n$/);
});
