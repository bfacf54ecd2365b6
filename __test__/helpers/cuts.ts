import {mkdirSync, rmSync, utimesSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import type {Listener} from '../../src/index.ts';
import {checkCutOff, ended, push, resume, type Trees, type Way} from './attempt.ts';
import {makeFolder} from './folder.ts';
import {startProxied, type Direction} from './proxy.ts';
import {Tally} from './tally.ts';

/** More than a session of a few small files carries. */
const endless = 10_000;

/** Cuts a small session behind each byte of a direction, until one is not cut any more. */
export async function cutEverywhere(
  t: ExecutionContext,
  way: Way,
  direction: Direction,
  row: string,
): Promise<void> {
  const home = makeFolder(t);
  const trees = {tree: join(home, 'tree'), inbox: join(home, 'inbox')};
  mkdirSync(join(trees.tree, 'folder'), {recursive: true});
  for (const name of ['one', 'folder/two', 'folder/empty']) {
    writeFileSync(join(trees.tree, name), name === 'folder/empty' ? '' : name);
    utimesSync(join(trees.tree, name), 1_700_000_000, 1_700_000_000);
  }
  const whole = await cutAt(t, way, trees, direction, Infinity);
  t.true(whole.succeeded);
  // The handshake and the manifest take more than that: nothing can be complete before.
  const earliest = whole.carried / 3;

  const tally = new Tally(row);
  for (let after = 0; after < endless; after++) {
    const end = await tally.run(`${direction} after ${after}`, async () => {
      const result = await cutAt(t, way, trees, direction, after);
      if (result.succeeded && after < earliest) throw new Error('success too early');
      if (!result.isCut && !result.succeeded) throw new Error('failed without a fault');
      return result;
    });
    if (end && !end.isCut) break;
  }
  tally.finish(t, earliest);
}

interface Cut {
  readonly succeeded: boolean;
  readonly isCut: boolean;
  readonly carried: number;
}

async function cutAt(
  t: ExecutionContext,
  way: Way,
  trees: Trees,
  direction: Direction,
  after: number,
): Promise<Cut> {
  rmSync(trees.inbox, {recursive: true, force: true});
  const {listener, proxy} = await startProxied(t, way, trees);
  const listened = countSuccesses(listener);
  proxy.cutAfter(direction, after);

  const dialled = await ended(way.dial(trees, listener.ticket, {lanes: 1}));
  await listener.close();
  const {isCut} = proxy;
  proxy.stop();

  const listenedWell = (await listened) > 0;
  const [source, sink] = way === push ? [dialled.succeeded, listenedWell] : [listenedWell, dialled.succeeded];
  // Success is the sink's word: whether it is heard is not the sink's concern, but nobody may invent it.
  if (source && !sink) throw new Error('a success that the sink knows nothing of');
  const succeeded = source || sink;
  checkCutOff(succeeded, trees);
  const {filesPresent} = await resume(trees, way);
  if (succeeded && filesPresent < 3) throw new Error('delivered twice');
  return {succeeded, isCut, carried: proxy.carried(direction)};
}

/** How many of a listener's transfers delivered everything. */
async function countSuccesses(listener: Listener): Promise<number> {
  let count = 0;
  for await (const transfer of listener) {
    if ((await ended(transfer)).succeeded) count++;
  }
  return count;
}
