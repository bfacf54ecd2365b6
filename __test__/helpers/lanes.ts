import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import {checkDelivered, ended, push} from './attempt.ts';
import {makeFolder} from './folder.ts';
import {startProxied, type Line, type Proxy} from './proxy.ts';
import {Tally} from './tally.ts';
import {pseudoRandom, writeFiles} from './tree.ts';

/** The longest record, what comes before it on a connection, and a little. */
const recordBytes = 270_000;

/** What a listener says on a connection that joins, and a record with an acknowledgement: then both sides know the lane. */
const acknowledgedBytes = 40 + 40;

/** Numbers that look random, the same for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How to kill lanes. */
interface Killing {
  readonly kills: number;
  /** Whether one is always left. */
  readonly sparing: boolean;
}

/** One in so many kills is of all lanes at once, unless one is to be spared. */
const massacre = 4;

/** Kills so many lanes of one transfer, at random; each comes back from another address. */
export async function killLanes(t: ExecutionContext, {kills, sparing}: Killing): Promise<void> {
  const seed = Number(process.env['HAWSER_SEED'] ?? Date.now() % 2 ** 31);
  t.log(`HAWSER_SEED=${seed}`);
  const home = makeFolder(t);
  await plant(home, kills * 350_000, sparing ? kills * 350_000 : 1_000_000, String(seed));
  const trees = {tree: join(home, 'tree'), inbox: join(home, 'inbox')};
  const {listener, proxy} = await startProxied(t, push, trees);
  // A lane that has brought enough waits to be killed: so there is something left to send until the end.
  proxy.holdEachAfter(recordBytes);
  let sources = 0;
  proxy.nextSource = () => `127.0.1.${1 + (sources++ % 250)}`;
  const tally = new Tally(
    `lanes killed at random, ${sparing ? 'one left' : 'the last one, too'}, during one transfer`,
  );

  const end = ended(
    push.dial(trees, listener.ticket, {lanes: sparing ? 16 : 4, retryMs: sparing ? 0 : Infinity}),
  );
  const next = random(seed);
  const killing = sparing ? killSome(proxy, tally, kills, next) : killAny(proxy, tally, kills, next);
  const early = await Promise.race([end, killing]);
  t.is(early, undefined, 'the transfer was over too soon');
  proxy.release();

  await tally.run('the transfer', async () => checkDelivered(await end, trees));
  tally.finish(t, kills);
}

async function killSome(proxy: Proxy, tally: Tally, kills: number, next: () => number): Promise<void> {
  for (let killed = 0; killed < kills; killed++) {
    let lanes: readonly Line[] = [];
    await proxy.until(() => (lanes = proxy.lines.filter(isLane)).length > 1);
    const lane = lanes[Math.floor(next() * lanes.length)];
    await tally.run('a kill', async () => lane?.cut());
    await lane?.ended;
  }
}

async function killAny(proxy: Proxy, tally: Tally, kills: number, next: () => number): Promise<void> {
  while (tally.runs < kills) {
    let lanes: readonly Line[] = [];
    // Of one of two it is known that it has brought something: else the next attempt would be made later and later.
    await proxy.until(() => (lanes = proxy.lines.filter(isLane)).length > 1);
    const victims = next() * massacre < 1 ? proxy.lines : lanes.slice(0, 1);
    for (const line of victims) await tally.run('a kill', async () => line.cut());
    await Promise.all(victims.map((line) => line.ended));
  }
}

/** Files of one size; small ones are not read again as often when a session takes another's place. */
async function plant(home: string, bytes: number, each: number, seed: string): Promise<void> {
  for (let from = 0; from < bytes; from += each) {
    const content = pseudoRandom(Math.min(each, bytes - from), `${from} ${seed}`.slice(0, 16));
    await writeFiles(home, {[`tree/${from}`]: content});
  }
}

/** Whether it has brought something that both sides know of. */
export function isLane(line: Line): boolean {
  return line.carried.up > recordBytes && line.carried.down >= acknowledgedBytes;
}
