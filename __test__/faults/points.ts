import {mkdirSync, rmSync} from 'node:fs';
import {constants} from 'node:os';
import {dirname, join} from 'node:path';
import type {ExecutionContext} from 'ava';
import {checkCutOff, ended, pull, push, resume, type Trees, type Way} from '../helpers/attempt.ts';
import {makeFolder} from '../helpers/folder.ts';
import {loopback} from '../helpers/loopback.ts';
import {copyFolder, enough, leaveParts, resumeParts, untilWritten} from '../helpers/parts.ts';
import {hidden, startProxied, visible} from '../helpers/proxy.ts';
import {Tally} from '../helpers/tally.ts';
import {unlock, writeSmallTree} from '../helpers/tree-state.ts';
import {hawserWith, type Fault} from './inject.ts';

/** More calls than one small transfer makes: a loop that gets here never ends. */
const endless = 1000;

/** A process that a fault is to hit, and the rest of its transfer, which is here. */
export interface Victim {
  /** Whether it has the files, or gets them. */
  readonly side: 'source' | 'sink';
  readonly way: Way;
  /** Whether the transfer is cut off in the middle, fault or not. */
  readonly isCutOff?: boolean;
  readonly run: (t: ExecutionContext, fault: Fault, trees: Trees, home: string) => Promise<Point>;
}

/** What one run came to. */
interface Point {
  /** Calls that were counted: fewer than the fault was set for, and it did not happen. */
  readonly calls: number;
  /** How the process ended. */
  readonly code: number | null;
  /** Whether either side said that everything was delivered. */
  readonly succeeded: boolean;
}

/** `hawser receive`. */
export const receiver: Victim = {
  side: 'sink',
  way: push,
  async run(t, fault, trees, home) {
    const args = ['receive', trees.inbox, '--bind', '127.0.0.1', '--port', '0', '--once'];
    const {process, calls} = hawserWith(t, fault, home, args);
    const ticket = await process.said('stdout', /hawser1\w+/).catch(() => undefined);
    const sent = ticket === undefined ? undefined : await ended(push.dial(trees, ticket));
    // One that was not killed ends by itself after its transfer, unless none came about.
    const interrupted = sent?.succeeded === false;
    if (interrupted) process.kill('SIGINT');
    const {code} = await process.ended();
    const succeeded = sent?.succeeded === true || (code === 0 && !interrupted);
    return {calls: calls().length, code, succeeded};
  },
};

/** `hawser receive` whose senders' connections end in the middle: it keeps parts of files then. */
export async function cutOffReceiver(t: ExecutionContext): Promise<Victim> {
  const spare = makeFolder(t);
  // All of them take the place of this one, behind the same proxy.
  const {listener, proxy} = await startProxied(t, push, {tree: spare, inbox: spare});
  await listener.close();
  const where = ['--bind', hidden, '--advertise', visible, '--port', String(listener.port)];
  return {
    side: 'sink',
    way: push,
    isCutOff: true,
    async run(_, fault, trees, home) {
      const {process, calls} = hawserWith(t, fault, home, ['receive', trees.inbox, ...where]);
      const ticket = await process.said('stdout', /hawser1\w+/).catch(() => undefined);
      proxy.holdEachAfter(enough);
      const transfer = ticket === undefined ? undefined : push.dial(trees, ticket, {lanes: 1});
      if (transfer) {
        // What the receiver has not read yet would be lost with the connection.
        await Promise.race([ended(transfer), proxy.until(() => proxy.isHolding('up'))]);
        await untilWritten(transfer);
      }
      for (const line of proxy.lines) line.cut();
      const sent = transfer && (await ended(transfer));
      proxy.release();
      process.kill('SIGINT');
      const {code} = await process.ended();
      return {calls: calls().length, code, succeeded: sent?.succeeded === true};
    },
  };
}

/** `hawser send`. */
export const sender: Victim = {side: 'source', way: push, run: (...args) => runDialler(push, ...args)};

/** `hawser get`. */
export const getter: Victim = {side: 'sink', way: pull, run: (...args) => runDialler(pull, ...args)};

async function runDialler(
  way: Way,
  t: ExecutionContext,
  fault: Fault,
  trees: Trees,
  home: string,
): Promise<Point> {
  await using listener = await way.listen(trees, {bind: loopback});
  const {ticket} = listener;
  const args = way === push ? ['send', trees.tree, '--to', ticket] : ['get', ticket, trees.inbox];
  args.push('--retry', '0');
  const {process, calls} = hawserWith(t, fault, home, args);
  const {code} = await process.ended();
  return {calls: calls().length, code, succeeded: code === 0};
}

/** What is special about some transfers. */
export interface Setting {
  /** Whether they go on with parts that an earlier one has left. */
  readonly resuming?: boolean;
  /** Makes what is sent, and gives its path. */
  readonly plant?: (t: ExecutionContext, parent: string) => string;
}

/** Lets a fault happen at the first call, the second and so on, until a transfer makes no more of them. */
export async function everyPoint(
  t: ExecutionContext,
  row: string,
  {side, way, isCutOff = false, run}: Victim,
  fault: Omit<Fault, 'inside' | 'at'>,
  {resuming = false, plant = writeSmallTree}: Setting = {},
): Promise<void> {
  const home = makeFolder(t);
  const work = join(home, 'work');
  const trees = {tree: plant(t, home), inbox: join(work, 'inbox')};
  const inside = side === 'sink' ? work : trees.tree;
  const tally = new Tally(row);
  t.teardown(() => unlock(work));
  const begun = join(home, 'begun');
  if (resuming) await begin(t, trees, way, begun);
  for (let at = 1; at < endless; at++) {
    clear(work);
    if (resuming) copyFolder(begun, trees.inbox);
    const point = await tally.run(`${fault.what} at call ${at}`, async () => {
      const result = await run(t, {...fault, at, inside}, trees, home);
      checkCutOff(result.succeeded, trees);
      const happened = result.calls >= at;
      if (!happened && result.succeeded === isCutOff) throw new Error('failed without a fault');
      const killed = result.code === 128 + constants.signals.SIGKILL;
      if (killed !== (happened && fault.what === 'kill')) throw new Error(`ended with ${result.code}`);
      if (happened) await resume(trees, way);
      else if (isCutOff) await resumeParts(trees, way);
      return result;
    });
    if (point && point.calls < at) break;
  }
  tally.finish(t, 2);
}

/** Keeps what a transfer has left that was cut off, and makes sure that it is of use to the next. */
async function begin(t: ExecutionContext, trees: Trees, way: Way, begun: string): Promise<void> {
  clear(dirname(trees.inbox));
  await leaveParts(t, trees, way);
  copyFolder(trees.inbox, begun);
  t.teardown(() => unlock(begun));
  await resumeParts(trees, way);
}

function clear(work: string): void {
  unlock(work);
  rmSync(work, {recursive: true, force: true});
  mkdirSync(work);
}
