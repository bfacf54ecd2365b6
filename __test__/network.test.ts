import {readdirSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import {send} from '../src/index.ts';
import {attempt, checkCutOff, resume} from './helpers/attempt.ts';
import {hawser} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {killLanes} from './helpers/lanes.ts';
import {partition} from './helpers/partition.ts';
import {hidden, startProxied, visible} from './helpers/proxy.ts';
import {none, Tally} from './helpers/tally.ts';
import {differences, wrongs} from './helpers/tree-state.ts';
import {pseudoRandom, writeFiles} from './helpers/tree.ts';

test.serial('a hundred lanes killed during one transfer cost nothing while one is left', (t) =>
  killLanes(t, 100),
);

test.serial('a network that carries nothing for a while costs nothing', (t) => partition(t, 2));

test.serial('a receiver killed ten times during one transfer has all of it in the end', async (t) => {
  const restarts = 10;
  const home = makeFolder(t);
  const names = Array.from({length: 20 * restarts}, (_, number) => `tree/${number}`);
  await writeFiles(home, Object.fromEntries(names.map((name) => [name, pseudoRandom(100_000, name)])));
  const [tree, inbox] = [join(home, 'tree'), join(home, 'inbox')];
  const arrived = join(inbox, 'tree');
  const tally = new Tally('receiver killed ten times during one transfer');
  // They take the place of this one, behind the same proxy.
  const {receiver: first, proxy} = await startProxied(t, {directory: inbox});
  await first.close();
  proxy.holdEachAfter(1_500_000);

  let done = 0;
  for (let restart = 1; restart <= restarts; restart++) {
    await tally.run(`restart ${restart}`, async () => {
      const args = ['receive', inbox, '--bind', hidden, '--advertise', visible, '--port', String(first.port)];
      const receiver = hawser(t, args);
      const ticket = await receiver.said('stdout', /hawser1\w+/);
      const transfer = send([tree], {to: ticket, lanes: 1});
      for await (const {filesDone} of transfer.progress(10)) if (filesDone > done) break;
      receiver.kill('SIGKILL');
      const outcome = await transfer.finished().catch(() => undefined);
      await receiver.ended();
      checkCutOff(outcome !== undefined, arrived, tree);
      const now = readdirSync(arrived).length;
      if (now <= done) throw new Error(`${now} files, and ${done} before`);
      done = now;
    });
  }
  await tally.run('the last', () => resume(t, inbox, arrived, tree));
  t.true(done < names.length, 'it was over too soon');
  tally.finish(t, restarts);
});

test.serial('a receiver that one of its addresses no longer leads to is found at another', async (t) => {
  const home = makeFolder(t);
  await writeFiles(home, {'tree/large': pseudoRandom(2 ** 23), 'tree/small': 'small'});
  const [tree, inbox] = [join(home, 'tree'), join(home, 'inbox')];
  const {receiver, proxies} = await startProxied(t, {directory: inbox}, [visible, '127.0.0.3']);
  const [one, other] = proxies;
  if (!one || !other) return t.fail();
  const tally = new Tally('address of the receiver changed during one transfer');

  await tally.run('the transfer', async () => {
    one.holdEachAfter(2 ** 20);
    const first = attempt([tree], receiver.ticket, {lanes: 4});
    await one.until(() => one.carried('up') > 2 ** 20);
    one.stop();
    const ended = await first;
    checkCutOff(ended.succeeded, join(inbox, 'tree'), tree);
    const {succeeded, error} = ended.succeeded ? ended : await attempt([tree], receiver.ticket);
    if (!succeeded) throw error ?? new Error('an entry failed');
    none('other than sent', differences(join(inbox, 'tree'), tree));
    if (other.carried('up') < 2 ** 20) throw new Error('it did not go through the other address');
  });
  tally.finish(t);
});

test.serial('a sender that does not hear the last words of a receiver has not succeeded', async (t) => {
  const bytes = 2 ** 23;
  const home = makeFolder(t);
  await writeFiles(home, {'tree/large': pseudoRandom(bytes)});
  const [tree, inbox] = [join(home, 'tree'), join(home, 'inbox')];
  const {receiver, proxy} = await startProxied(t, {directory: inbox});
  const tally = new Tally('last acknowledgement lost');

  await tally.run('the transfer', async () => {
    const ended = attempt([tree], receiver.ticket, {lanes: 1});
    // The receiver has long asked for all of it then, and cannot be done yet.
    await proxy.until(() => proxy.carried('up') > bytes / 2);
    proxy.hold('down');
    for await (const transfer of receiver) {
      for await (const {filesDone} of transfer.progress(10)) if (filesDone === 1) break;
      break;
    }
    proxy.stop();
    const {succeeded} = await ended;
    if (succeeded) throw new Error('a success that nobody can know of');
    none('wrong after the fault', wrongs(join(inbox, 'tree'), tree));
    const report = await resume(t, inbox, join(inbox, 'tree'), tree);
    if (report.bytes > 0 || report.filesPresent !== 1) throw new Error('sent again');
  });
  tally.finish(t);
});
