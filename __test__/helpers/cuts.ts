import {mkdirSync, rmSync, utimesSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import type {Receiver} from '../../src/index.ts';
import {attempt, checkCutOff, resume} from './attempt.ts';
import {makeFolder} from './folder.ts';
import {startProxied, type Direction} from './proxy.ts';
import {Tally} from './tally.ts';

/** What the end of a session takes at most: its last message, the goodbyes, and acknowledgements around them. */
const endBytes = 200;

/** More than a session of a few small files carries. */
const endless = 10_000;

/** Cuts a small session behind each byte of a direction, until one is not cut any more. */
export async function cutEverywhere(t: ExecutionContext, direction: Direction): Promise<void> {
  const home = makeFolder(t);
  const tree = join(home, 'tree');
  mkdirSync(join(tree, 'folder'), {recursive: true});
  for (const name of ['one', 'folder/two', 'folder/empty']) {
    writeFileSync(join(tree, name), name === 'folder/empty' ? '' : name);
    utimesSync(join(tree, name), 1_700_000_000, 1_700_000_000);
  }
  const whole = await cutAt(t, home, tree, direction, Infinity);
  t.true(whole.succeeded);
  t.true(whole.carried > endBytes);

  const tally = new Tally(
    `connection cut behind its n-th byte, ${direction === 'up' ? 'to' : 'from'} the receiver`,
  );
  for (let after = 0; after < endless; after++) {
    const end = await tally.run(`${direction} after ${after}`, async () => {
      const result = await cutAt(t, home, tree, direction, after);
      if (result.succeeded && result.isCut && after < whole.carried - endBytes)
        throw new Error('success too early');
      if (!result.isCut && !result.succeeded) throw new Error('failed without a fault');
      return result;
    });
    if (end && !end.isCut) break;
  }
  tally.finish(t, whole.carried - endBytes);
}

interface Cut {
  readonly succeeded: boolean;
  readonly isCut: boolean;
  readonly carried: number;
}

async function cutAt(
  t: ExecutionContext,
  home: string,
  tree: string,
  direction: Direction,
  after: number,
): Promise<Cut> {
  const inbox = join(home, 'inbox');
  const arrived = join(inbox, 'tree');
  rmSync(inbox, {recursive: true, force: true});
  const {receiver, proxy} = await startProxied(t, {directory: inbox});
  const received = countSuccesses(receiver);
  proxy.cutAfter(direction, after);

  const {succeeded} = await attempt([tree], receiver.ticket, {lanes: 1});
  await receiver.close();
  const {isCut} = proxy;
  proxy.stop();

  checkCutOff(succeeded, arrived, tree);
  if (succeeded && (await received) === 0) throw new Error('a success that the receiver knows nothing of');
  const {filesPresent} = await resume(t, inbox, arrived, tree);
  if (succeeded && filesPresent < 3) throw new Error('delivered twice');
  return {succeeded, isCut, carried: proxy.carried(direction)};
}

/** How many of a receiver's transfers delivered everything. */
async function countSuccesses(receiver: Receiver): Promise<number> {
  let count = 0;
  for await (const transfer of receiver) {
    await transfer.finished().then(
      ({failed}) => (count += failed.length === 0 ? 1 : 0),
      () => {},
    );
  }
  return count;
}
