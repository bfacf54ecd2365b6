import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {pseudoRandom} from '../helpers/tree.ts';
import {prepare, thorough, type Fault} from './inject.ts';
import {cutOffReceiver, everyPoint, getter, receiver, sender, type Victim} from './points.ts';

const missing = prepare();
const run = missing === undefined ? test.serial : test.skip;
const because = missing === undefined ? '' : ` (skipped: ${missing})`;

/** All that changes something on the disk. */
const changes = 'write,alloc,sync,rename,mkdir,unlink,create,stamp';
/** All that takes up space, or may be told late that there is none. */
const growths = 'write,alloc,sync,rename,mkdir,create';

interface Case {
  readonly title: string;
  /** Of docs/reliability.md. */
  readonly row: string;
  readonly victim: Victim;
  readonly fault: Omit<Fault, 'inside' | 'at'>;
}

const resumed: readonly Case[] = [
  {
    title: 'a receiver killed before any change of its disk as it resumes loses nothing',
    row: 'resuming receiver killed before its n-th change of the disk',
    victim: receiver,
    fault: {what: 'kill', kinds: changes},
  },
  {
    title: 'a receiver whose disk answers EIO once, anywhere, as it resumes loses nothing',
    row: "EIO at the resuming receiver's n-th read or change of the disk",
    victim: receiver,
    fault: {what: 'EIO', kinds: `${changes},open,read`},
  },
  {
    title: 'a receiver whose disk answers ENOSPC from anywhere on as it resumes loses nothing',
    row: "ENOSPC from the resuming receiver's n-th change of the disk on",
    victim: receiver,
    fault: {what: 'ENOSPC', kinds: growths, flags: ['--on']},
  },
  {
    title: 'a receiver whose disk takes or gives only half, anywhere, as it resumes loses nothing',
    row: "half of the resuming receiver's n-th read or write",
    victim: receiver,
    fault: {what: 'short', kinds: 'read,write'},
  },
  {
    title: 'a sender killed as it opens or reads anything to go on with loses nothing',
    row: 'resumed sender killed before its n-th read',
    victim: sender,
    fault: {what: 'kill', kinds: 'open,read'},
  },
  {
    title: 'a sender killed as it sends anything to go on with loses nothing',
    row: 'resumed sender killed before its n-th message',
    victim: sender,
    fault: {what: 'kill', kinds: 'send'},
  },
];

const thoroughly: readonly Case[] = [
  {
    title: 'a receiver killed behind any change of its disk as it resumes loses nothing',
    row: 'resuming receiver killed behind its n-th change of the disk',
    victim: receiver,
    fault: {what: 'kill', kinds: changes, flags: ['--after']},
  },
  {
    title: 'a receiver whose disk answers ENOSPC once, anywhere, as it resumes loses nothing',
    row: "ENOSPC at the resuming receiver's n-th change of the disk",
    victim: receiver,
    fault: {what: 'ENOSPC', kinds: growths},
  },
  {
    title: 'a getter killed before any change of its disk as it resumes loses nothing',
    row: 'resuming `get` killed before its n-th change of the disk',
    victim: getter,
    fault: {what: 'kill', kinds: changes},
  },
];

for (const {title, row, victim, fault} of thorough ? [...resumed, ...thoroughly] : resumed) {
  run(`${title}${because}`, (t) => everyPoint(t, row, victim, fault, {resuming: true}));
}

run(`a receiver killed before any change of its disk as it keeps parts loses nothing${because}`, async (t) =>
  everyPoint(
    t,
    'receiver that keeps parts killed before its n-th change of the disk',
    await cutOffReceiver(t),
    {
      what: 'kill',
      kinds: changes,
    },
  ),
);

run(
  `a receiver whose disk answers EIO once, anywhere, as it keeps parts loses nothing${because}`,
  async (t) =>
    everyPoint(
      t,
      'EIO at the n-th change of the disk of a receiver that keeps parts',
      await cutOffReceiver(t),
      {
        what: 'EIO',
        kinds: changes,
      },
    ),
);

/** A file of more chunks than are recorded at once: its journal is written while the rest of it comes. */
function plantLong(_: ExecutionContext, parent: string): string {
  const tree = join(parent, 'tree');
  mkdirSync(tree);
  writeFileSync(join(tree, 'long'), pseudoRandom(70 * 2 ** 18));
  return tree;
}

for (const [when, fault] of [
  ['killed before anything it does', {what: 'kill'}],
  ['killed behind anything it does', {what: 'kill', flags: ['--after']}],
  ['told EIO at anything it does', {what: 'EIO'}],
  ['told ENOSPC from anything on that it does', {what: 'ENOSPC', flags: ['--on']}],
] as const) {
  run(`a receiver ${when} to a journal loses nothing${because}`, (t) =>
    everyPoint(
      t,
      `receiver ${when} to a journal`,
      receiver,
      {...fault, kinds: changes, named: '.journal'},
      {plant: plantLong},
    ),
  );
}
