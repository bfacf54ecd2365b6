import {mkdirSync, rmSync} from 'node:fs';
import {constants} from 'node:os';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import {receive} from '../../src/index.ts';
import {attempt, checkCutOff, resume} from '../helpers/attempt.ts';
import {makeFolder} from '../helpers/folder.ts';
import {loopback} from '../helpers/loopback.ts';
import {Tally} from '../helpers/tally.ts';
import {unlock, writeSmallTree} from '../helpers/tree-state.ts';
import {hawserWith, type Fault} from './inject.ts';

/** More calls than one small transfer makes: a loop that gets here never ends. */
const endless = 1000;

/** What one run came to. */
interface Point {
  /** Calls that were counted: fewer than the fault was set for, and it did not happen. */
  readonly calls: number;
  /** How the process ended. */
  readonly code: number | null;
  readonly succeeded: boolean;
}

/** A small transfer of which one side is hit by a fault, and the folders it needs. */
type Hit = (t: ExecutionContext, fault: Fault, folders: Folders) => Promise<Point>;

interface Folders {
  /** What is sent. */
  readonly tree: string;
  /** New for each run. */
  readonly work: string;
  readonly log: string;
}

/** Lets a fault happen at the first call, the second and so on, until a transfer makes no more of them. */
export async function everyPoint(
  t: ExecutionContext,
  row: string,
  hit: Hit,
  fault: Omit<Fault, 'inside' | 'at'>,
): Promise<void> {
  const home = makeFolder(t);
  const tree = writeSmallTree(t, home);
  const tally = new Tally(row);
  const work = join(home, 'work');
  t.teardown(() => unlock(work));
  for (let at = 1; at < endless; at++) {
    unlock(work);
    rmSync(work, {recursive: true, force: true});
    mkdirSync(work);
    const folders = {tree, work, log: join(home, 'calls')};
    const point = await tally.run(`${fault.what} at call ${at}`, async () => {
      const result = await hit(t, {...fault, at, inside: hit === hitReceiver ? work : home}, folders);
      const inbox = join(work, 'inbox');
      const arrived = join(inbox, 'tree');
      checkCutOff(result.succeeded, arrived, tree);
      const happened = result.calls >= at;
      if (!happened && !result.succeeded) throw new Error('failed without a fault');
      const killed = result.code === 128 + constants.signals.SIGKILL;
      if (killed !== (happened && fault.what === 'kill')) throw new Error(`ended with ${result.code}`);
      if (happened) await resume(t, inbox, arrived, tree);
      return result;
    });
    if (point && point.calls < at) break;
  }
  tally.finish(t, 2);
}

/** The receiver is a process with a fault; what is sent to it comes from here. */
export async function hitReceiver(t: ExecutionContext, fault: Fault, folders: Folders): Promise<Point> {
  const {tree, work, log} = folders;
  const args = ['receive', join(work, 'inbox'), '--bind', '127.0.0.1', '--port', '0', '--once'];
  const {process: receiver, calls} = hawserWith(t, fault, log, args);
  const ticket = await receiver.said('stdout', /hawser1\w+/).catch(() => undefined);
  const sent = ticket === undefined ? {succeeded: false} : await attempt([tree], ticket);
  // One that was not killed ends by itself after its transfer, unless none came about.
  const interrupted = !sent.succeeded && ticket !== undefined;
  if (interrupted) receiver.kill('SIGINT');
  const {code} = await receiver.ended();
  if (sent.succeeded && code === 8) throw new Error('the receiver saw failures that the sender did not');
  return {calls: calls().length, code, succeeded: sent.succeeded || (code === 0 && !interrupted)};
}

/** The sender is a process with a fault; what it sends is received here. */
export async function hitSender(t: ExecutionContext, fault: Fault, folders: Folders): Promise<Point> {
  const {tree, work, log} = folders;
  const receiver = await receive({directory: join(work, 'inbox'), bind: loopback});
  t.teardown(() => receiver.close());
  const {process: sender, calls} = hawserWith(t, fault, log, ['send', tree, '--to', receiver.ticket]);
  const {code} = await sender.ended();
  await receiver.close();
  return {calls: calls().length, code, succeeded: code === 0};
}
