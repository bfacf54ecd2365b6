import {mkdirSync, realpathSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {checkCutOff, resume} from '../helpers/attempt.ts';
import {run as runHawser} from '../helpers/cli.ts';
import {makeFolder} from '../helpers/folder.ts';
import {Tally} from '../helpers/tally.ts';
import {unlock, writeSmallTree} from '../helpers/tree-state.ts';
import {Image, lacks, systems, type System} from './image.ts';
import {failPower, hawserWith, prepare, type Fault} from './inject.ts';

const missing = prepare();

/** Behind each of them, something may be on the disk that was not there before. */
const steps = 'write,alloc,sync,rename,mkdir,unlink,create,stamp';
const endless = 1000;

interface Case {
  readonly row: string;
  readonly fault: Omit<Fault, 'inside' | 'at'>;
}

const cases: Record<string, Case> = {
  'before any flush': {
    row: "power lost before the receiver's n-th flush",
    fault: {what: 'power', kinds: 'sync'},
  },
  'right behind any flush': {
    row: "power lost behind the receiver's n-th flush",
    fault: {what: 'power', kinds: 'sync', flags: ['--after']},
  },
  'behind any step, with the log of the file system ahead of its data': {
    row: "power lost behind the receiver's n-th change of its disk, names on disk before contents",
    fault: {what: 'power-log', kinds: steps, flags: ['--after']},
  },
};

for (const system of systems) {
  const lack = missing ?? lacks(system);
  const run = lack === undefined ? test.serial : test.skip;
  for (const [when, {row, fault}] of Object.entries(cases)) {
    run(`power lost on ${system} ${when} costs nothing that was said to be there${skipped(lack)}`, (t) =>
      everyFailure(t, system, `${row} (${system})`, fault),
    );
  }
}

function skipped(lack: string | undefined): string {
  return lack === undefined ? '' : ` (skipped: ${lack})`;
}

async function everyFailure(
  t: ExecutionContext,
  system: System,
  row: string,
  fault: Omit<Fault, 'inside' | 'at'>,
): Promise<void> {
  const home = realpathSync(makeFolder(t));
  const tree = writeSmallTree(t, home);
  const image = new Image(t, home, system);
  const tally = new Tally(row);
  for (let at = 1; at < endless; at++) {
    // A new one each time: the removal of an old one may be undone with everything else.
    const work = join(image.path, String(at));
    const calls = await tally.run(`at call ${at}`, () =>
      failAt(t, image, {...fault, inside: image.path, at}, {tree, work, home}),
    );
    unlock(work);
    rmSync(work, {recursive: true, force: true});
    if (calls !== undefined && calls < at) break;
  }
  tally.finish(t, 2);
}

/** One transfer and its power failure, at the latest when it is over. Gives the calls that were counted. */
async function failAt(
  t: ExecutionContext,
  image: Image,
  fault: Fault,
  folders: {readonly tree: string; readonly work: string; readonly home: string},
): Promise<number> {
  const {tree, work, home} = folders;
  const inbox = join(work, 'inbox');
  mkdirSync(inbox, {recursive: true});
  image.flush();

  const args = ['receive', inbox, '--bind', '127.0.0.1', '--port', '0', '--once'];
  const {process: receiver, calls} = hawserWith(t, fault, home, args);
  const ticket = await receiver.said('stdout', /hawser1\w+/).catch(() => undefined);
  const sent =
    ticket === undefined
      ? undefined
      : await runHawser(t, ['send', tree, '--to', ticket, '--retry', '0', '--json']);
  await receiver.ended();
  const counted = calls().length;
  if (counted < (fault.at ?? 1)) failPower(image.path);
  image.unmount();
  image.mount();

  const succeeded = sent?.code === 0;
  checkCutOff(succeeded, {tree, inbox});
  if (counted < (fault.at ?? 1)) {
    if (!succeeded) throw new Error(`failed without a fault: ${sent?.stdout}`);
  } else {
    await resume({tree, inbox});
  }
  return counted;
}
