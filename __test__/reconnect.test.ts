import {generateKeyPairSync} from 'node:crypto';
import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {receive, send, type Progress} from '../src/index.ts';
import {hawser, hawserOnTerminal, listenOn, parseEvents, run} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {layLine, nearEnd} from './helpers/line.ts';
import {loopback} from './helpers/loopback.ts';
import type {Process} from './helpers/process.ts';
import {assertSameTree, listDelivered, pseudoRandom, writeFiles, writeSparse} from './helpers/tree.ts';

/** Every address of 127.0.0.0/8 is this machine's on Linux only. */
const linux = process.platform === 'linux' ? test : test.skip;

/** A progress event of a transfer whose bytes flow. */
const flowing = /"event":"progress".*"bytesDone":[1-9]/;

const files = 60;

/** A tree that takes a receiver at the limit below ten seconds, in which to end it. */
async function plant(folder: string): Promise<string> {
  const tree = join(folder, 'tree');
  for (let number = 0; number < files; number++)
    await writeFiles(tree, {[`${number % 7}/${number}`]: pseudoRandom(50_000, `${number}`)});
  return tree;
}

const limit = ['--limit', '300k'];

/** A receiver that can be started again as the same one. */
class Restartable {
  readonly #t: ExecutionContext;
  readonly #args: readonly string[];
  readonly #env: NodeJS.ProcessEnv;

  constructor(t: ExecutionContext, folder: string, ...args: readonly string[]) {
    this.#t = t;
    const ticketFile = ['--ticket-file', join(folder, 'ticket')];
    this.#args = ['receive', join(folder, 'inbox'), '--bind', '127.0.0.1', '--json', ...ticketFile, ...args];
    this.#env = {HAWSER_CONFIG_DIR: join(folder, 'config')};
  }

  async start(...args: readonly string[]): Promise<{readonly process: Process; readonly ticket: string}> {
    const process = hawser(this.#t, [...this.#args, ...args], this.#env);
    return {process, ticket: await process.said('stdout', /hawser1\w+/)};
  }
}

test('a quota counts what came before the receiver was killed', async (t) => {
  const folder = makeFolder(t);
  const tree = await plant(folder);
  const receiver = new Restartable(t, folder, '--max-bytes', '4M', '--max-files', '100');
  const first = await receiver.start('--port', '0', ...limit);
  const sender = hawser(t, ['send', tree, '--to', first.ticket, '--json']);

  await first.process.said('stdout', /"event":"progress".*"filesDone":[5-9]/);
  first.process.kill('SIGKILL');
  await first.process.ended();
  // What was added last counts.
  const used = async (unit: string): Promise<number> => {
    const ledger = await readFile(join(folder, 'ticket.ledger'), 'utf8');
    return Number([...ledger.matchAll(new RegExp(`^${unit} (.+)$`, 'gm'))].at(-1)?.[1]);
  };
  const delivered = await listDelivered(join(folder, 'inbox'));
  t.true((await used('entries')) >= delivered.length);
  t.true((await used('bytes')) >= 5 * 50_000);

  await receiver.start();
  const {code, stdout} = await sender.ended();
  t.is(code, 0, stdout.slice(-500));
  t.true((await used('bytes')) >= files * 50_000);
});

test('a receiver that is killed and started again with its ticket gets all of it', async (t) => {
  const folder = makeFolder(t);
  const tree = await plant(folder);
  const receiver = new Restartable(t, folder);
  const first = await receiver.start('--port', '0', ...limit);
  const sender = hawser(t, ['send', tree, '--to', first.ticket, '--json']);

  await first.process.said('stdout', /"event":"progress".*"filesDone":[5-9]/);
  first.process.kill('SIGKILL');
  await sender.said('stdout', /"event":"reconnecting"/);
  await first.process.ended();
  const second = await receiver.start();
  t.is(second.ticket, first.ticket);

  const {code, stdout} = await sender.ended();
  t.is(code, 0, stdout.slice(-500));
  const events = parseEvents(stdout);
  t.like(
    events.find(({event}) => event === 'reconnecting'),
    {v: 1, transfer: 1, retryMs: 600_000},
  );
  t.like(
    events.find(({event}) => event === 'reconnected'),
    {v: 1, transfer: 1, reconnects: 1},
  );
  // What the first of the two receivers got was delivered by this command all the same.
  t.like(events.at(-1), {event: 'finished', files, bytes: files * 50_000, filesPresent: 0, failed: 0});
  t.is(events.filter(({event, kind}) => event === 'entry' && kind === 'file').length, files);
  await assertSameTree(t, join(folder, 'inbox/tree'), tree);
});

test('a log has one line when the connection is lost and one when it is back', async (t) => {
  const folder = makeFolder(t);
  const tree = await plant(folder);
  const receiver = new Restartable(t, folder);
  const first = await receiver.start('--port', '0', ...limit);
  const sender = hawser(t, ['send', tree, '--to', first.ticket]);

  await first.process.said('stdout', flowing);
  first.process.kill('SIGKILL');
  await sender.said('stderr', /Connection lost/);
  await first.process.ended();
  await receiver.start();

  const {code, stderr} = await sender.ended();
  t.is(code, 0, stderr);
  t.regex(
    stderr,
    /^Connected to .+\nConnection lost: trying again for 10:00…\nConnected again\.\nSent 60 files, 3 MB in .+\n$/,
  );
});

test('with --retry 0 a lost connection is 3', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'endless'), 2 ** 32);
  const {process: receiver, ticket} = await listenOn(t, ['receive', join(folder, 'inbox'), '--json']);
  const sender = hawser(t, ['send', join(folder, 'endless'), '--to', ticket, '--retry', '0']);

  await receiver.said('stdout', flowing);
  receiver.kill('SIGKILL');

  const {code, stderr} = await sender.ended();
  t.is(code, 3);
  t.regex(stderr, /the connection was lost before the transfer was finished/);
  t.notRegex(stderr, /trying again/);
});

test('a receiver that does not come back within --retry is 3', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'endless'), 2 ** 32);
  const {process: receiver, ticket} = await listenOn(t, ['receive', join(folder, 'inbox'), '--json']);
  const sender = hawser(t, ['send', join(folder, 'endless'), '--to', ticket, '--retry', '1s']);

  await receiver.said('stdout', flowing);
  receiver.kill('SIGKILL');

  const {code, stderr} = await sender.ended();
  t.is(code, 3);
  t.regex(stderr, /trying again for 1 s was in vain: cannot connect/);
});

test('a receiver that comes back with another ticket stops the sender with 4', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'endless'), 2 ** 32);
  const receiver = new Restartable(t, folder);
  const first = await receiver.start('--port', '0', ...limit);
  const port = String(parseEvents(await first.process.said('stdout', /.+\n/))[0]?.['port']);
  const sender = hawser(t, ['send', join(folder, 'endless'), '--to', first.ticket]);

  await first.process.said('stdout', flowing);
  first.process.kill('SIGKILL');
  await first.process.ended();
  await listenOn(t, ['receive', join(folder, 'inbox')], port);

  const {code, stderr} = await sender.ended();
  t.is(code, 4, stderr);
  t.regex(stderr, /With a ticket: ask for a new one/);
});

test('--once does not end with a connection that is lost', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'endless'), 2 ** 32);
  await writeFiles(folder, {file: 'file'});
  const {process: receiver, ticket} = await listenOn(t, ['receive', join(folder, 'inbox'), '--once']);

  const sender = hawser(t, ['send', join(folder, 'endless'), '--to', ticket, '--json']);
  await sender.said('stdout', flowing);
  sender.kill('SIGKILL');
  await receiver.said('stderr', /The other side tries to come back by itself/);
  t.is((await run(t, ['send', join(folder, 'file'), '--to', ticket])).code, 0);

  const {code, stderr} = await receiver.ended();
  t.is(code, 0, stderr);
});

linux('the API tells of an outage, and counts each file once', async (t) => {
  const folder = makeFolder(t);
  const tree = await plant(folder);
  const receiver = await receive({directory: join(folder, 'inbox'), bind: loopback, advertise: [nearEnd]});
  t.teardown(() => receiver.close());
  const line = await layLine(t, receiver.port);

  const transfer = send([tree], {to: receiver.ticket, limit: 300_000});
  const seen: Progress[] = [];
  let isCut = false;
  for await (const progress of transfer.progress(10)) {
    if (progress.filesDone > 5 && !isCut) {
      isCut = true;
      line.cut();
      transfer.setLimit(undefined);
    }
    seen.push(progress);
  }
  const report = await transfer.finished();

  t.is(report.files, files);
  t.is(report.filesPresent, 0);
  const delivered = report.entries.filter(({fate, kind}) => fate === 'delivered' && kind === 'file');
  t.is(new Set(delivered.map(({path}) => path)).size, files);
  t.is(report.entries.length, files + 8);
  const outage = seen.find(({state}) => state === 'reconnecting')?.outage;
  t.like(outage, {retryMs: 600_000});
  t.true((outage?.elapsedMs ?? -1) >= 0);
  t.like(seen.at(-1), {state: 'ended', outage: null, reconnects: 1, filesDone: files, filesTotal: files});
  t.true(seen.every(({bytesPerSecond}) => bytesPerSecond >= 0 && Number.isFinite(bytesPerSecond)));
  const before = seen.filter(({reconnects}) => reconnects === 0);
  // What came of the counters' way back would be far off.
  t.true(before.every(({bytesPerSecond}) => bytesPerSecond < 1e7));
  const deliveries = seen.map(({filesDelivered}) => filesDelivered);
  t.deepEqual(
    deliveries,
    deliveries.toSorted((a, b) => a - b),
  );
  await assertSameTree(t, join(folder, 'inbox/tree'), tree);
});

linux('a terminal shows which attempt it is, and since when', async (t) => {
  const folder = makeFolder(t);
  const tree = await plant(folder);
  const receiver = new Restartable(t, folder);
  const first = await receiver.start('--port', '0', ...limit);
  const sender = hawserOnTerminal(t, ['send', tree, '--to', first.ticket, '--retry', '1h']);

  await first.process.said('stdout', flowing);
  first.process.kill('SIGKILL');
  await sender.said('stdout', /Connection lost: trying again \(attempt [2-9], 0:\d\d of 1:00:00\)…/);
  await first.process.ended();
  await receiver.start();

  const {code, stdout} = await sender.ended();
  t.is(code, 0, stdout);
  t.regex(stdout, /Connected again\./);
});

test('on SIGTERM a receiver takes no more, and lets what runs finish', async (t) => {
  const folder = makeFolder(t);
  const tree = await plant(folder);
  const receiver = new Restartable(t, folder, '--grace', '1m');
  const {process, ticket} = await receiver.start('--port', '0', ...limit);
  const sender = hawser(t, ['send', tree, '--to', ticket]);

  await process.said('stdout', flowing);
  process.kill('SIGTERM');
  await process.said(
    'stdout',
    /"event":"notice","message":"stopping: transfers that run have 1:00 to finish"/,
  );
  t.is((await run(t, ['send', tree, '--to', ticket])).code, 3);

  t.is((await sender.ended()).code, 0);
  t.is((await process.ended()).code, 0);
  await assertSameTree(t, join(folder, 'inbox/tree'), tree);
});

test('after its grace a receiver parks what runs, and its sender goes on with the next', async (t) => {
  const folder = makeFolder(t);
  const tree = await plant(folder);
  const receiver = new Restartable(t, folder, '--grace', '0');
  const first = await receiver.start('--port', '0', ...limit);
  const sender = hawser(t, ['send', tree, '--to', first.ticket, '--json']);

  await first.process.said('stdout', flowing);
  first.process.kill('SIGTERM');
  const {code, stdout} = await first.process.ended();
  t.is(code, 0);
  t.like(parseEvents(stdout).at(-1), {event: 'error', code: 'CANCELLED'});
  await sender.said('stdout', /"event":"reconnecting".*the other side has gone away for a while/);
  await receiver.start();

  t.is((await sender.ended()).code, 0);
  await assertSameTree(t, join(folder, 'inbox/tree'), tree);
});

test('Ctrl-C while the connection is lost is 130, and says how to continue', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'endless'), 2 ** 32);
  const {process: receiver, ticket} = await listenOn(t, ['receive', join(folder, 'inbox'), '--json']);
  const sender = hawser(t, ['send', join(folder, 'endless'), '--retry', 'forever'], {HAWSER_TICKET: ticket});

  await receiver.said('stdout', flowing);
  receiver.kill('SIGKILL');
  await sender.said('stderr', /Connection lost/);
  sender.kill('SIGINT');

  const {code, stderr} = await sender.ended();
  t.is(code, 130);
  // The ticket came from the environment, and is still there.
  const command = `hawser send ${join(folder, 'endless')} --retry forever`;
  const again = `Continue with:\n  ${command}\n`;
  t.true(stderr.endsWith(again), stderr);
});

test('times and keys that are none are INVALID_OPTION', async (t) => {
  const folder = makeFolder(t);
  const identity = generateKeyPairSync('x25519').privateKey;
  const options = {directory: folder, bind: loopback};
  const receiver = await receive({...options, identity});
  const {ticket} = receiver;
  t.teardown(() => receiver.close());
  const invalid = {name: 'HawserError', code: 'INVALID_OPTION'};

  for (const retryMs of [-1, 0.5, NaN, -Infinity])
    t.throws(() => send(['x'], {to: ticket, retryMs}), invalid);
  const {publicKey, privateKey} = generateKeyPairSync('ed25519');
  for (const key of [publicKey, privateKey, generateKeyPairSync('x25519').publicKey])
    t.throws(() => send(['x'], {to: ticket, identity: key}), invalid);
  await t.throwsAsync(receiver.close({graceMs: -1}), invalid);
  // One receiver a folder.
  const other = {...options, directory: join(folder, 'other'), ticket};
  await t.throwsAsync(receive(other), invalid);
  await t.throwsAsync(receive({...other, identity}), {code: 'PORT_IN_USE'});
});

test('a listener with the identity and ticket of an earlier one has its ticket and port', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const identity = generateKeyPairSync('x25519').privateKey;
  const options = {directory: join(folder, 'inbox'), bind: loopback, identity};
  const {ticket, ...first} = await receive(options).then(async (receiver) => {
    await receiver.close();
    return {ticket: receiver.ticket, port: receiver.port};
  });

  const again = await receive({...options, ticket});
  t.teardown(() => again.close());
  t.is(again.ticket, ticket);
  t.is(again.port, first.port);
  t.is((await send([join(folder, 'file')], {to: ticket}).finished()).files, 1);
});
