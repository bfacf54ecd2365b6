import {readdirSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout} from 'node:timers/promises';
import test from 'ava';
import {arrived, checkDelivered, ended, push} from './helpers/attempt.ts';
import {hawser, listenOn, parseEvents, run} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {blackHole} from './helpers/partition.ts';
import {hidden, startProxied, visible} from './helpers/proxy.ts';
import {Tally} from './helpers/tally.ts';
import {differences} from './helpers/tree-state.ts';
import {assertSameBytes, pseudoRandom, writeFiles} from './helpers/tree.ts';

const unix = process.platform === 'win32' ? test.serial.skip : test.serial;

/** How long a process stands still: less than counts as silence. */
const standstill = process.env['HAWSER_FAULTS'] === 'all' ? 30_000 : 3000;

/** How many files the last event that says so counts. */
function filesDone(stdout: string): number {
  return Number(/.*"filesDone":(\d+)/s.exec(stdout)?.[1] ?? 0);
}

test.serial('a session that its receiver believes in makes way for the one that goes on with it', (t) =>
  blackHole(t, {told: true}),
);

test.serial('one sender outlives ten receivers, each of them killed', async (t) => {
  const restarts = 10;
  const folder = makeFolder(t);
  const names = Array.from({length: 20 * restarts}, (_, number) => `tree/${number}`);
  await writeFiles(folder, Object.fromEntries(names.map((name) => [name, pseudoRandom(100_000, name)])));
  await writeFiles(folder, {'tree/large': pseudoRandom(10_000_000)});
  const trees = {tree: join(folder, 'tree'), inbox: join(folder, 'inbox')};
  const tally = new Tally('receiver killed ten times while one `send` runs');
  const {listener, proxy} = await startProxied(t, push, trees);
  await listener.close();
  proxy.holdEachAfter(1_500_000);

  const where = ['--bind', hidden, '--advertise', visible, '--port', String(listener.port)];
  const args = ['receive', trees.inbox, ...where, '--ticket-file', join(folder, 'ticket'), '--json'];
  const env = {HAWSER_CONFIG_DIR: join(folder, 'config')};
  let receiver = hawser(t, args, env);
  const ticket = await receiver.said('stdout', /hawser1\w+/);
  const sender = hawser(t, ['send', trees.tree, '--to', ticket, '--lanes', '1', '--json']);
  const arrivedFiles = (): number => readdirSync(arrived(trees)).length;
  let done = 0;
  for (let restart = 1; restart <= restarts; restart++) {
    await tally.run(`restart ${restart}`, async () => {
      await receiver.until((stdout) => filesDone(stdout) > done);
      receiver.kill('SIGKILL');
      await receiver.ended();
      const now = arrivedFiles();
      if (now <= done) throw new Error(`${now} files, and ${done} before`);
      done = now;
      receiver = hawser(t, args, env);
      await receiver.said('stdout', /hawser1\w+/);
    });
  }
  t.true(done < names.length, 'it was over too soon');
  proxy.release();

  await tally.run('the end', async () => {
    const {code, stdout} = await sender.ended();
    if (code !== 0) throw new Error(`ended with ${code}: ${stdout.slice(-500)}`);
    const wrong = differences(arrived(trees), trees.tree);
    if (wrong.length > 0) throw new Error(wrong.join('; '));
    const events = parseEvents(stdout);
    const times = events.filter(({event}) => event === 'reconnected').length;
    if (times < restarts) throw new Error(`only ${times} times connected again`);
  });
  tally.finish(t, restarts + 1);
});

test.serial('a sender that has moved to another address goes on', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {'tree/large': pseudoRandom(2 ** 23), 'tree/small': 'small'});
  const trees = {tree: join(folder, 'tree'), inbox: join(folder, 'inbox')};
  const {listener, proxy} = await startProxied(t, push, trees);
  const tally = new Tally('address of the sender changed during one transfer');

  await tally.run('the transfer', async () => {
    proxy.holdEachAfter(2 ** 20);
    const end = ended(push.dial(trees, listener.ticket, {lanes: 4, retryMs: Infinity}));
    await proxy.until(() => proxy.isHolding('up'));
    proxy.nextSource = () => '127.0.1.9';
    for (const line of proxy.lines) line.cut();
    proxy.release();

    checkDelivered(await end, trees);
    const peers = [];
    for await (const transfer of listener) if (peers.push(transfer.peer?.address.split(':')[0]) === 2) break;
    t.deepEqual(peers, [visible, '127.0.1.9']);
  });
  tally.finish(t);
});

/** Whether some of the bytes have come, by the events of either side. */
function hasBytes(stdout: string): boolean {
  return /"bytesDone":[1-9]/.test(stdout);
}

unix('D17: a receiver that stands still for a while costs nothing', async (t) => {
  const folder = makeFolder(t);
  const [file, inbox] = [join(folder, 'file'), join(folder, 'inbox')];
  await writeFiles(folder, {file: pseudoRandom(20_000_000)});
  const {process: receiver, ticket} = await listenOn(t, ['receive', inbox, '--once', '--json']);
  const sender = hawser(t, ['send', file, '--to', ticket, '--limit', '5MB/s', '--json']);
  await receiver.until(hasBytes);

  receiver.kill('SIGSTOP');
  await setTimeout(standstill);
  receiver.kill('SIGCONT');

  for (const {code, stdout} of [await sender.ended(), await receiver.ended()]) {
    t.is(code, 0, stdout.slice(-500));
    t.false(parseEvents(stdout).some(({event}) => event === 'reconnected'));
  }
  assertSameBytes(t, join(inbox, 'file'), file);
});

unix('D17: a sender that stands still for a while holds nobody up, and goes on', async (t) => {
  const folder = makeFolder(t);
  const [file, other, inbox] = ['file', 'other', 'inbox'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await writeFiles(folder, {file: pseudoRandom(20_000_000), other: pseudoRandom(1_000_000, 'other')});
  const {ticket} = await listenOn(t, ['receive', inbox, '--json']);
  const sender = hawser(t, ['send', file, '--to', ticket, '--limit', '5MB/s', '--json']);
  await sender.until(hasBytes);

  sender.kill('SIGSTOP');
  const beside = await run(t, ['send', other, '--to', ticket]);
  await setTimeout(standstill);
  sender.kill('SIGCONT');

  t.is(beside.code, 0, beside.stderr);
  const {code, stdout} = await sender.ended();
  t.is(code, 0, stdout.slice(-500));
  t.false(parseEvents(stdout).some(({event}) => event === 'reconnected'));
  assertSameBytes(t, join(inbox, 'file'), file);
  assertSameBytes(t, join(inbox, 'other'), other);
});
