import {join} from 'node:path';
import {setTimeout} from 'node:timers/promises';
import type {ExecutionContext} from 'ava';
import {checkDelivered, ended, push} from './attempt.ts';
import {makeFolder} from './folder.ts';
import {isLane} from './lanes.ts';
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

/**
 * Lets all connections of a transfer fall silent while new ones can be made; of those that are there the listener gets
 * to know nothing, nor does the dialler unless it is `told`. The listener has to let the new session take its place.
 */
export async function blackHole(t: ExecutionContext, {told}: {readonly told: boolean}): Promise<void> {
  const home = makeFolder(t);
  await writeFiles(home, {'tree/large': pseudoRandom(2 ** 25), 'tree/small': 'small'});
  const trees = {tree: join(home, 'tree'), inbox: join(home, 'inbox')};
  const {listener, proxy} = await startProxied(t, push, trees);
  const tally = new Tally('all connections swallowed in the middle of a transfer, and new ones let through');

  await tally.run('the transfer', async () => {
    proxy.holdEachAfter(2 ** 20);
    const end = ended(push.dial(trees, listener.ticket, {lanes: 4, retryMs: Infinity}));
    // One that nobody has used yet is a stranger to the listener, which gives it ten seconds.
    await proxy.until(() => proxy.lines.length === 4 && proxy.lines.every(isLane));
    const swallowed = proxy.lines;
    for (const line of swallowed) {
      if (told) line.abandon();
      else line.silence();
    }
    proxy.release();

    const heard = [];
    for await (const transfer of listener) if (heard.push(await ended(transfer)) === 2) break;
    checkDelivered(await end, trees);
    const [earlier, later] = heard;
    if (earlier?.error === undefined || !later?.succeeded)
      throw new Error('nothing took the place of another');
    // Nobody but the listener had them any more.
    await Promise.all(swallowed.map((line) => line.ended));
  });
  tally.finish(t);
}
