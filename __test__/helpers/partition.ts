import {join} from 'node:path';
import {setTimeout} from 'node:timers/promises';
import type {ExecutionContext} from 'ava';
import {checkDelivered, ended, push} from './attempt.ts';
import {makeFolder} from './folder.ts';
import {startProxied} from './proxy.ts';
import {Tally} from './tally.ts';
import {pseudoRandom, writeFiles} from './tree.ts';

/** Carries nothing in the middle of a transfer for so many seconds, with all connections up. */
export async function partition(t: ExecutionContext, seconds: number): Promise<void> {
  const home = makeFolder(t);
  await writeFiles(home, {'tree/large': pseudoRandom(2 ** 25), 'tree/small': 'small'});
  const trees = {tree: join(home, 'tree'), inbox: join(home, 'inbox')};
  const {listener, proxy} = await startProxied(t, push, trees);
  const tally = new Tally(`nothing carried for ${seconds} s, during one transfer`);

  await tally.run('the transfer', async () => {
    const end = ended(push.dial(trees, listener.ticket, {lanes: 4}));
    await proxy.until(() => proxy.carried('up') > 2 ** 24);
    proxy.hold('up', 'down');
    await proxy.until(() => proxy.isHolding('up'));
    // How long it lasts is what is tested.
    await setTimeout(seconds * 1000);
    proxy.release();
    checkDelivered(await end, trees);
  });
  tally.finish(t);
}
