import {existsSync} from 'node:fs';
import {rm} from 'node:fs/promises';
import {join} from 'node:path';
import test from 'ava';
import {parseEvents, run} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {deliver} from './helpers/loopback.ts';
import {begin, cutOff, dateBack, partOfBytes} from './helpers/partials.ts';
import {listDelivered, writeFiles} from './helpers/tree.ts';

test('partials lists what is here of a file, from whom, and its path, escaped', async (t) => {
  const {inbox} = await cutOff(t, 'big\u202e');

  const {code, stdout, stderr} = await run(t, ['partials', inbox]);

  t.is(code, 0, stderr);
  const row =
    /^ *\d+% {2} *[\d.]+ [kM]B\/134 MB {2} *(?:just now|\d+ seconds? ago) {2}(?:\w{4}-){3}\w{4} {2}big\\u\{202e\}\n$/;
  t.regex(stdout, row);
  t.regex(stderr, /^1 part file, [\d.]+ [kM]B on disk\n$/);
});

test('partials says what is in use, and --clean leaves it', async (t) => {
  const {inbox, transfer, close} = await begin(t, 'big');

  const listed = await run(t, ['partials', inbox]);
  const cleaned = await run(t, ['partials', inbox, '--clean']);
  await transfer.close();
  await close();

  t.regex(listed.stdout, / {2}in use {2}/);
  t.regex(listed.stderr, / on disk, 1 in use\n$/);
  t.is(cleaned.code, 0);
  t.regex(cleaned.stderr, /^in use: .+\nRemoved 0 part files, 0 B; 1 in use stays\n$/);
  t.regex((await run(t, ['partials', inbox])).stdout, /% .+ big\n$/);
});

test('partials --clean removes what is there, and the file can be sent again', async (t) => {
  const {file, inbox} = await cutOff(t, 'big');

  const cleaned = await run(t, ['partials', inbox, '--clean']);

  t.is(cleaned.code, 0, cleaned.stderr);
  t.is(cleaned.stdout, '');
  t.regex(cleaned.stderr, /^removed: big\nRemoved 1 part file, [\d.]+ [kM]B\n$/);
  t.false(existsSync(join(inbox, '.hawser')));
  t.like(await deliver(t, [file], inbox), {bytes: partOfBytes, bytesResumed: 0});
  t.deepEqual(await listDelivered(inbox), ['big']);
});

test('--older-than restricts what is listed and what is removed', async (t) => {
  const inbox = makeFolder(t);
  await writeFiles(inbox, {'.hawser/partials/old\x1b[2J': ''});
  await dateBack(inbox, new Date(Date.now() - 3 * 3_600_000));
  await writeFiles(inbox, {'.hawser/partials/new': ''});

  const listed = await run(t, ['partials', inbox, '--older-than', '2h', '-q']);
  const cleaned = await run(t, ['partials', inbox, '--older-than', '2h', '--clean']);
  const left = await run(t, ['partials', inbox, '-q']);

  const old = String.raw`.hawser/partials/old\u{1b}[2J`;
  t.is(listed.stdout, `   ?              0 B     3 hours ago  unknown              ${old}\n`);
  t.is(cleaned.stderr, `removed: ${old}\nRemoved 1 part file, 0 B\n`);
  t.regex(left.stdout, /^ +\? +0 B +(?:just now|\d+ seconds? ago) {2}unknown +\.hawser\/partials\/new\n$/);
});

test('no part files is 0 and a line that says so', async (t) => {
  const inbox = makeFolder(t);

  t.deepEqual(await run(t, ['partials', inbox]), {code: 0, stdout: '', stderr: 'No part files.\n'});
  t.deepEqual(await run(t, ['partials', inbox, '--clean']), {
    code: 0,
    stdout: '',
    stderr: 'No part files to remove.\n',
  });
  t.deepEqual(await run(t, ['partials', inbox, '-q']), {code: 0, stdout: '', stderr: ''});
});

test('partials --json prints events, and nothing else', async (t) => {
  const {inbox} = await cutOff(t, 'big');
  await writeFiles(inbox, {'.hawser/partials/folder/file': ''});

  const listed = await run(t, ['partials', inbox, '--json']);
  const cleaned = await run(t, ['partials', inbox, '--json', '--clean']);

  t.deepEqual([listed.code, listed.stderr], [0, '']);
  const [part, folder, all, ...others] = parseEvents(listed.stdout);
  t.deepEqual(others, []);
  t.like(part, {v: 1, event: 'partial', kind: 'part', path: 'big', size: partOfBytes, removed: false});
  t.true(Math.abs(Date.now() - Date.parse(String(part?.['lastWritten']))) < 60_000);
  t.like(folder, {v: 1, event: 'partial', kind: 'unknown', name: 'folder', inUse: false, removed: false});
  t.like(all, {v: 1, event: 'partials', clean: false, files: 2, inUse: 0, removed: 0, bytesFreed: 0});
  t.deepEqual([cleaned.code, cleaned.stderr], [7, '']);
  const bytesFreed = part?.['bytesOnDisk'];
  t.like(parseEvents(cleaned.stdout), [
    {event: 'partial', path: 'big', removed: true},
    {event: 'partial', name: 'folder', removed: false},
    {event: 'partials', clean: true, files: 2, inUse: 0, removed: 1, bytesFreed},
  ]);
});

test('what cannot be removed is 7 and says why, also with -q', async (t) => {
  const inbox = makeFolder(t);
  await writeFiles(inbox, {'.hawser/partials/folder/file': '', '.hawser/partials/other': ''});

  const {code, stdout, stderr} = await run(t, ['partials', inbox, '--clean', '-q']);

  t.is(code, 7);
  t.is(stdout, '');
  t.regex(stderr, /^failed: \.hawser\/partials\/folder: it cannot be removed: .+\n$/);
});

test('a folder that is not there is 7, and an age that is none is 2', async (t) => {
  const inbox = makeFolder(t);
  await rm(inbox, {recursive: true});

  const gone = await run(t, ['partials', inbox]);
  t.is(gone.code, 7);
  t.regex(gone.stderr, /^hawser: cannot read .+: .+\n {2}Check the spelling/);
  for (const age of ['soon', '7w', '-1d', 'forever', '9999999999999d']) {
    const {code, stderr} = await run(t, ['partials', '.', '--older-than', age]);
    t.is(code, 2, age);
    t.regex(stderr, /It must be a time such as 7d/);
  }
});

/** Makes Node interrupt itself as soon as the command listens for that. */
const interrupted = {
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(
    "process.on('newListener', (name) => name === 'SIGTERM' && process.kill(process.pid, 'SIGINT'));",
  )}`,
};

const posix = process.platform === 'win32' ? test.skip : test;

posix('Ctrl-C ends it at once, and is 130', async (t) => {
  const inbox = makeFolder(t);
  // So many that the signal comes first.
  await writeFiles(
    inbox,
    Object.fromEntries(Array.from({length: 20_000}, (_, n) => [`.hawser/partials/${n}`, ''])),
  );

  const {code, stdout, stderr} = await run(t, ['partials', inbox], interrupted);

  t.is(code, 130);
  t.is(stdout, '');
  t.is(stderr, 'hawser: interrupted\n');
});
