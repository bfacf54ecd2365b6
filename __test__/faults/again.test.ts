import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import {checkDelivered, ended, push, type Trees} from '../helpers/attempt.ts';
import {configFolder} from '../helpers/identity.ts';
import {hawser} from '../helpers/cli.ts';
import {makeFolder} from '../helpers/folder.ts';
import {hidden, startProxied, visible} from '../helpers/proxy.ts';
import {Tally} from '../helpers/tally.ts';
import {writeSparse} from '../helpers/tree.ts';
import {hawserWith, prepare} from './inject.ts';

const missing = prepare();
const run = missing === undefined ? test.serial : test.skip;
const because = missing === undefined ? '' : ` (skipped: ${missing})`;

const mebi = 2 ** 20;
/** What a killed receiver may have had, and is sent again. */
const most = 64 * mebi;

run(
  `a receiver killed in a large file is sent little of it again, and all else at once${because}`,
  async (t) => {
    const home = makeFolder(t);
    const trees: Trees = {tree: join(home, 'tree'), inbox: join(home, 'work/inbox')};
    for (const folder of [trees.tree, join(home, 'work')]) mkdirSync(folder);
    writeSparse(join(trees.tree, 'large'), 256 * mebi);
    const {listener, proxy} = await startProxied(t, push, {...trees, inbox: join(home, 'spare')});
    await listener.close();
    const port = String(listener.port);
    const args = ['receive', trees.inbox, '--bind', hidden, '--advertise', visible, '--port', port, '--once'];
    const tally = new Tally('receiver killed in the middle of a large file');

    await tally.run('the transfer', async () => {
      proxy.holdEachAfter(192 * mebi);
      const first = hawser(t, args, configFolder(home));
      const known = await first.said('stdout', /hawser1\w+/);
      const transfer = push.dial(trees, known, {lanes: 1});
      await proxy.until(() => proxy.isHolding('up'));
      first.kill('SIGKILL');
      // The last of them is what the sender had been told.
      let acknowledged = 0;
      for await (const {bytesDone} of transfer.progress(10)) acknowledged = bytesDone;
      await first.ended();
      if (acknowledged < 100 * mebi) throw new Error(`only ${acknowledged} bytes were acknowledged`);
      proxy.release();

      const fault = {inside: join(home, 'work'), named: '.part', kinds: 'read,write', what: 'count'};
      const {process: second, calls} = hawserWith(t, fault, home, args);
      const ticket = await second.said('stdout', /hawser1\w+/);
      const report = checkDelivered(await ended(push.dial(trees, ticket, {lanes: 1})), trees);
      await second.ended();
      const again = acknowledged - report.bytesResumed;
      t.log(`${acknowledged} bytes acknowledged, ${again} of them sent again`);
      if (again > most) throw new Error(`${again} bytes were sent again`);
      // What is missing comes while what is there is still being read.
      const kinds = calls().map((call) => call.split(' ')[1]);
      const [firstNew, lastOld] = [kinds.indexOf('write'), kinds.lastIndexOf('read')];
      if (firstNew === -1 || firstNew > lastOld) throw new Error('nothing new came while the old was read');
      t.log(`the first new bytes are written at call ${firstNew}, the last old ones read at call ${lastOld}`);
    });
    tally.finish(t);
  },
);
