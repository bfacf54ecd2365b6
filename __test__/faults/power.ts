import {mkdirSync, readdirSync, realpathSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import type {Transfer} from '../../src/index.ts';
import {arrived, checkCutOff, ended, push, resume} from '../helpers/attempt.ts';
import {makeFolder} from '../helpers/folder.ts';
import {copyFolder, leaveParts} from '../helpers/parts.ts';
import {Tally} from '../helpers/tally.ts';
import {unlock, writeSmallTree} from '../helpers/tree-state.ts';
import {Image, lacks, systems, type System} from './image.ts';
import {failPower, hawserWith, prepare, type Fault} from './inject.ts';

const missing = prepare();
const endless = 1000;

/** A kind of power failure. */
export interface Failure {
  /** Behind "power lost on ext4 …". */
  readonly title: string;
  /** Of docs/reliability.md, without the file system. */
  readonly row: string;
  readonly fault: Omit<Fault, 'inside' | 'at'>;
  readonly durability?: 'session' | 'file';
  /** Bytes a second: then there are several batches of files. */
  readonly limit?: number;
  /** Whether there are parts of files of an earlier session. */
  readonly resuming?: boolean;
  readonly plant?: (t: ExecutionContext, parent: string) => string;
}

/** Tests a power failure on each file system that can have one here, at every call that it is for. */
export function testFailure(failure: Failure): void {
  for (const system of systems) {
    const lack = missing ?? lacks(system);
    const run = lack === undefined ? test.serial : test.skip;
    const because = lack === undefined ? '' : ` (skipped: ${lack})`;
    run(`power lost on ${system} ${failure.title}${because}`, (t) => everyFailure(t, system, failure));
  }
}

interface Folders {
  readonly tree: string;
  readonly inbox: string;
  readonly home: string;
}

async function everyFailure(t: ExecutionContext, system: System, failure: Failure): Promise<void> {
  const {row, plant = writeSmallTree, resuming = false} = failure;
  const home = realpathSync(makeFolder(t));
  const tree = plant(t, home);
  const begun = join(home, 'begun');
  if (resuming) {
    t.teardown(() => unlock(begun));
    await leaveParts(t, {tree, inbox: begun}, push);
  }
  const image = new Image(t, home, system);
  const tally = new Tally(`${row} (${system})`);
  const tolds: number[] = [];
  for (let at = 1; at < endless; at++) {
    // A new one each time: the removal of an old one may be undone with everything else.
    const work = join(image.path, String(at));
    const inbox = join(work, 'inbox');
    mkdirSync(work);
    if (resuming) copyFolder(begun, inbox);
    else mkdirSync(inbox);
    const end = await tally.run(`at call ${at}`, () => failAt(t, image, at, failure, {tree, inbox, home}));
    unlock(work);
    rmSync(work, {recursive: true, force: true});
    tolds.push(end?.told ?? 0);
    if (end !== undefined && end.calls < at) break;
  }
  if (failure.durability === 'file') {
    t.true(new Set(tolds).size > 3, `the senders were told of ${tolds.join(', ')} files`);
  }
  tally.finish(t, 2);
}

/** One transfer and its power failure, at the latest when it is over. */
async function failAt(
  t: ExecutionContext,
  image: Image,
  at: number,
  {fault, durability = 'session', limit}: Failure,
  {tree, inbox, home}: Folders,
): Promise<{readonly calls: number; readonly told: number}> {
  image.flush();
  const where = ['--bind', '127.0.0.1', '--port', '0', '--once', '--durability', durability];
  const hit = {...fault, inside: image.path, at};
  const {process: receiver, calls: counted} = hawserWith(t, hit, home, ['receive', inbox, ...where]);
  const ticket = await receiver.said('stdout', /hawser1\w+/).catch(() => undefined);
  const transfer = ticket === undefined ? undefined : push.dial({tree, inbox}, ticket, {limit});
  const told = transfer === undefined ? 0 : await countDelivered(transfer);
  const succeeded = transfer !== undefined && (await ended(transfer)).succeeded;
  await receiver.ended();
  const calls = counted().length;
  const happened = calls >= at;
  if (!happened) failPower(image.path);
  image.unmount();
  image.mount();

  checkCutOff(succeeded, {tree, inbox});
  const there = countFiles(arrived({tree, inbox}));
  if (durability === 'file' && there < told) throw new Error(`${there} files, and ${told} were delivered`);
  if (happened) await resume({tree, inbox});
  else if (!succeeded) throw new Error('failed without a fault');
  return {calls, told};
}

/** How many files a sender has been told are delivered by the end of its transfer. */
async function countDelivered(transfer: Transfer): Promise<number> {
  let told = 0;
  for await (const {filesDelivered} of transfer.progress(10)) told = filesDelivered;
  return told;
}

/** The files in a folder that may not be there, and in those in it. */
function countFiles(folder: string): number {
  try {
    const children = readdirSync(folder, {recursive: true, withFileTypes: true});
    return children.filter((child) => child.isFile()).length;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}
