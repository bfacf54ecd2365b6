import {readdirSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import {arrived, checkCutOff, checkDelivered, ended, push, resume} from './helpers/attempt.ts';
import {hawser} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {killLanes} from './helpers/lanes.ts';
import {partition} from './helpers/partition.ts';
import {hidden, startProxied, visible} from './helpers/proxy.ts';
import {Tally} from './helpers/tally.ts';
import {pseudoRandom, writeFiles} from './helpers/tree.ts';

test.serial('a hundred lanes killed during one transfer cost nothing while one is left', (t) =>
  killLanes(t, {kills: 100, sparing: true}),
);

test.serial('a hundred lanes killed during one transfer cost nothing when all are lost, either', (t) =>
  killLanes(t, {kills: 100, sparing: false}),
);

test.serial('a network that carries nothing for a while costs nothing', (t) => partition(t, 2));

test.serial('a receiver killed ten times during one transfer has all of it in the end', async (t) => {
  const restarts = 10;
  const home = makeFolder(t);
  const names = Array.from({length: 20 * restarts}, (_, number) => `tree/${number}`);
  await writeFiles(home, Object.fromEntries(names.map((name) => [name, pseudoRandom(100_000, name)])));
  const trees = {tree: join(home, 'tree'), inbox: join(home, 'inbox')};
  const tally = new Tally('receiver killed ten times during one transfer');
  // They take the place of this one, behind the same proxy.
  const {listener: first, proxy} = await startProxied(t, push, trees);
  await first.close();
  proxy.holdEachAfter(1_500_000);

  let done = 0;
  for (let restart = 1; restart <= restarts; restart++) {
    await tally.run(`restart ${restart}`, async () => {
      const args = [
        'receive',
        trees.inbox,
        '--bind',
        hidden,
        '--advertise',
        visible,
        '--port',
        String(first.port),
      ];
      const receiver = hawser(t, args);
      const ticket = await receiver.said('stdout', /hawser1\w+/);
      const transfer = push.dial(trees, ticket, {lanes: 1});
      for await (const {filesDone} of transfer.progress(10)) if (filesDone > done) break;
      receiver.kill('SIGKILL');
      const {succeeded} = await ended(transfer);
      await receiver.ended();
      checkCutOff(succeeded, trees);
      const now = readdirSync(arrived(trees)).length;
      if (now <= done) throw new Error(`${now} files, and ${done} before`);
      done = now;
    });
  }
  await tally.run('the last', () => resume(trees));
  t.true(done < names.length, 'it was over too soon');
  tally.finish(t, restarts);
});

test.serial('a receiver that one of its addresses no longer leads to is found at another', async (t) => {
  const home = makeFolder(t);
  await writeFiles(home, {'tree/large': pseudoRandom(2 ** 23), 'tree/small': 'small'});
  const trees = {tree: join(home, 'tree'), inbox: join(home, 'inbox')};
  const {listener, proxies} = await startProxied(t, push, trees, [visible, '127.0.0.3']);
  const [one, other] = proxies;
  if (!one || !other) return t.fail();
  const tally = new Tally('address of the receiver changed during one transfer');

  await tally.run('the transfer', async () => {
    one.holdEachAfter(2 ** 20);
    const first = ended(push.dial(trees, listener.ticket, {lanes: 4}));
    await one.until(() => one.carried('up') > 2 ** 20);
    one.stop();
    const {succeeded} = await first;
    checkCutOff(succeeded, trees);
    checkDelivered(succeeded ? await first : await ended(push.dial(trees, listener.ticket)), trees);
    if (other.carried('up') < 2 ** 20) throw new Error('it did not go through the other address');
  });
  tally.finish(t);
});

test.serial('a sender that does not hear the last words of a receiver has not succeeded', async (t) => {
  const bytes = 2 ** 23;
  const home = makeFolder(t);
  await writeFiles(home, {'tree/large': pseudoRandom(bytes)});
  const trees = {tree: join(home, 'tree'), inbox: join(home, 'inbox')};
  const {listener, proxy} = await startProxied(t, push, trees);
  const tally = new Tally('last acknowledgement lost');

  await tally.run('the transfer', async () => {
    const end = ended(push.dial(trees, listener.ticket, {lanes: 1}));
    // The receiver has long asked for all of it then, and cannot be done yet.
    await proxy.until(() => proxy.carried('up') > bytes / 2);
    proxy.hold('down');
    for await (const transfer of listener) {
      for await (const {filesDone} of transfer.progress(10)) if (filesDone === 1) break;
      break;
    }
    proxy.stop();
    const {succeeded} = await end;
    if (succeeded) throw new Error('a success that nobody can know of');
    // Only one at a time receives into a folder.
    await listener.close();
    checkCutOff(false, trees);
    const report = await resume(trees);
    if (report.bytes > 0 || report.filesPresent !== 1) throw new Error('sent again');
  });
  tally.finish(t);
});
