import {generateKeyPairSync} from 'node:crypto';
import {readdirSync} from 'node:fs';
import {utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {get, receive, send, share, type Progress, type Report, type Transfer} from '../src/index.ts';
import {hawser, listenOn, parseEvents, run} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {loopback} from './helpers/loopback.ts';
import {assertSameBytes, assertSameTree, listDelivered, pseudoRandom, writeFiles} from './helpers/tree.ts';

/** A file of which something is kept when it is cut off, and so much that there is time for that. */
const largeBytes = 30_000_001;
const limit = 20_000_000;

interface Cut {
  readonly tree: string;
  readonly inbox: string;
}

/** Resolves when something of a transfer has arrived. */
async function flowing(transfer: Transfer, bytes = 5_000_000): Promise<void> {
  for await (const {bytesDone} of transfer.progress(10)) if (bytesDone > bytes) return;
  throw new Error('it has ended before');
}

/** Waits for the end of a transfer; gives its report, and what was shown of it last. */
async function watch(t: ExecutionContext, transfer: Transfer): Promise<{report: Report; last: Progress}> {
  let last: Progress | undefined;
  for await (const progress of transfer.progress(10)) {
    t.true(progress.bytesDone <= progress.bytesTotal, 'more done than there is');
    t.true(progress.bytesResumed <= progress.bytesDone, 'more resumed than done');
    last = progress;
  }
  const report = await transfer.finished();
  if (!last) throw new Error('nothing was shown');
  t.is(last.bytesDone, last.bytesTotal, 'all is done');
  return {report, last};
}

/** Sends a tree, with a large file in it, into a folder until it is cancelled. */
async function cutOff(t: ExecutionContext): Promise<Cut> {
  const folder = makeFolder(t);
  const [tree, inbox] = [join(folder, 'tree'), join(folder, 'inbox')];
  await writeFiles(tree, {large: pseudoRandom(largeBytes), 'folder/small': 'small', empty: ''});
  await using receiver = await receive({directory: inbox, bind: loopback});
  const transfer = send([tree], {to: receiver.ticket, limit});
  await flowing(transfer);
  await transfer.close();
  await t.throwsAsync(transfer.finished(), {code: 'CANCELLED'});
  return {tree, inbox};
}

/** Sends a tree again; gives the reports of both sides. */
async function again(t: ExecutionContext, {tree, inbox}: Cut): Promise<readonly [Report, Report]> {
  await using receiver = await receive({directory: inbox, bind: loopback});
  const [sent, {value: received}] = await Promise.all([
    watch(t, send([tree], {to: receiver.ticket})),
    receiver[Symbol.asyncIterator]().next(),
  ]);
  if (!received) throw new Error('nothing came');
  return [sent.report, (await watch(t, received)).report];
}

function assertNothingLeft(t: ExecutionContext, inbox: string): void {
  t.deepEqual(readdirSync(join(inbox, '.hawser')), ['records']);
}

test('a transfer that was cancelled goes on within its files when it is run again', async (t) => {
  const cut = await cutOff(t);

  const reports = await again(t, cut);

  for (const {bytesResumed, restarted, renamed, failed, files, bytes} of reports) {
    t.true(bytesResumed > 1_000_000 && bytesResumed < largeBytes, `${bytesResumed} bytes resumed`);
    t.deepEqual([restarted, renamed, failed.length], [0, 0, 0]);
    t.true(files >= 1 && bytes >= largeBytes);
  }
  t.is(reports[0].bytesResumed, reports[1].bytesResumed);
  await assertSameTree(t, join(cut.inbox, 'tree'), cut.tree);
  assertNothingLeft(t, cut.inbox);
});

test('a file that has changed since starts over, under its own name', async (t) => {
  const cut = await cutOff(t);
  await writeFiles(cut.tree, {large: pseudoRandom(largeBytes, 'changed')});

  const reports = await again(t, cut);

  for (const report of reports) t.like(report, {bytesResumed: 0, restarted: 1, renamed: 0, failed: []});
  await assertSameTree(t, join(cut.inbox, 'tree'), cut.tree);
  assertNothingLeft(t, cut.inbox);
});

test('a file that has changed under its size and time starts over when that shows', async (t) => {
  const cut = await cutOff(t);
  const large = join(cut.tree, 'large');
  const long = new Date('2020-01-01T00:00:00Z');
  await utimes(large, long, long);
  // The part that is there has this time, too.
  await using receiver = await receive({directory: cut.inbox, bind: loopback});
  const transfer = send([large], {to: receiver.ticket, limit});
  await flowing(transfer);
  await transfer.close();
  await receiver.close();
  await writeFile(large, pseudoRandom(largeBytes, 'changed'));
  await utimes(large, long, long);

  await using second = await receive({directory: cut.inbox, bind: loopback});
  const {report, last} = await watch(t, send([large], {to: second.ticket}));

  t.like(report, {files: 1, bytesResumed: 0, renamed: 0, failed: []});
  t.is(last.bytesTotal, largeBytes);
  assertSameBytes(t, join(cut.inbox, 'large'), large);
});

test('what one sender has begun another does not go on with', async (t) => {
  const {tree, inbox} = await cutOff(t);
  const {privateKey: identity} = generateKeyPairSync('x25519');
  await using receiver = await receive({directory: inbox, bind: loopback});

  const report = await send([tree], {to: receiver.ticket, identity}).finished();

  t.like(report, {bytesResumed: 0, restarted: 0, failed: []});
  await assertSameTree(t, join(inbox, 'tree'), tree);
});

test('a get that was cancelled goes on within its files, too', async (t) => {
  const folder = makeFolder(t);
  const [tree, inbox] = [join(folder, 'tree'), join(folder, 'inbox')];
  await writeFiles(tree, {large: pseudoRandom(largeBytes)});
  await using sharer = await share([tree], {bind: loopback});
  const first = get(sharer.ticket, {directory: inbox, limit});
  await flowing(first);
  await first.close();

  const {report} = await watch(t, get(sharer.ticket, {directory: inbox}));

  t.true(report.bytesResumed > 1_000_000, `${report.bytesResumed} bytes resumed`);
  await assertSameTree(t, join(inbox, 'tree'), tree);
  assertNothingLeft(t, inbox);
});

test('a sender that is killed goes on where it was when the command is run again', async (t) => {
  const folder = makeFolder(t);
  const [tree, inbox] = [join(folder, 'tree'), join(folder, 'inbox')];
  await writeFiles(tree, {large: pseudoRandom(largeBytes), small: 'small'});
  const {ticket} = await listenOn(t, ['receive', inbox]);
  const user = {HAWSER_CONFIG_DIR: join(folder, 'config')};
  const args = ['send', tree, '--to', ticket, '--json'];
  const killed = hawser(t, [...args, '--limit', '20M'], user);
  await killed.said('stdout', /"event":"progress".*"bytesDone":\d{8}/);
  killed.kill('SIGKILL');
  await killed.ended();

  const {code, stdout, stderr} = await run(t, args, user);

  t.is(code, 0, stderr);
  const finished = parseEvents(stdout).at(-1);
  t.like(finished, {event: 'finished', restarted: 0, failed: 0});
  t.true(Number(finished?.['bytesResumed']) > 1_000_000);
  await assertSameTree(t, join(inbox, 'tree'), tree);
});

test('the command says what was there from before', async (t) => {
  const folder = makeFolder(t);
  const [file, inbox] = [join(folder, 'file'), join(folder, 'inbox')];
  await writeFiles(folder, {file: pseudoRandom(largeBytes)});
  const {ticket} = await listenOn(t, ['receive', inbox]);
  const user = {HAWSER_CONFIG_DIR: join(folder, 'config')};
  const interrupted = hawser(t, ['send', file, '--to', ticket, '--limit', '20M', '--json'], user);
  await interrupted.said('stdout', /"event":"progress".*"bytesDone":\d{8}/);
  interrupted.kill('SIGINT');
  t.is((await interrupted.ended()).code, 130);

  const resumed = await run(t, ['send', file, '--to', ticket], user);
  const present = await run(t, ['send', file, '--to', ticket], user);

  t.regex(resumed.stderr, /\nSent 1 file, 30 MB in .+; \d+(\.\d)? MB of them were there from before\n$/);
  t.regex(present.stderr, /\nAlready there: 1 file, 30 MB\n$/);
});

test('a second receiver in a folder is FOLDER_IN_USE, until the first is closed', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const [directory, file] = [join(folder, 'inbox'), join(folder, 'file')];
  const first = await receive({directory, bind: loopback});
  await using sharer = await share([file], {bind: loopback});

  const inUse = {name: 'HawserError', code: 'FOLDER_IN_USE', message: /inbox/};
  await t.throwsAsync(receive({directory, bind: loopback}), inUse);
  await t.throwsAsync(get(sharer.ticket, {directory}).finished(), inUse);
  t.is((await run(t, ['receive', directory, '--bind', '127.0.0.1', '--port', '0'])).code, 7);
  t.is((await run(t, ['get', sharer.ticket, directory])).code, 7);
  await first.close();

  t.is((await get(sharer.ticket, {directory}).finished()).files, 1);
  await using second = await receive({directory, bind: loopback});
  t.is((await send([file], {to: second.ticket}).finished()).filesPresent, 1);
});

test('several may fetch into one folder at the same time', async (t) => {
  const folder = makeFolder(t);
  const names = Array.from({length: 12}, (_, number) => `file ${number}`);
  await writeFiles(folder, Object.fromEntries(names.map((name) => [name, pseudoRandom(600_000, name)])));
  const directory = join(folder, 'inbox');

  const fetches = names.map(async (name) => {
    await using sharer = await share([join(folder, name)], {bind: loopback});
    return await get(sharer.ticket, {directory}).finished();
  });

  for (const {files} of await Promise.all(fetches)) t.is(files, 1);
  t.deepEqual(await listDelivered(directory), names.toSorted());
  for (const name of names) assertSameBytes(t, join(directory, name), join(folder, name));
  assertNothingLeft(t, directory);
});
