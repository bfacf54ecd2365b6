import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import {pseudoRandom} from '../helpers/tree.ts';
import {thorough} from './inject.ts';
import {testFailure} from './power.ts';

const steps = 'write,alloc,sync,rename,mkdir,unlink,create,stamp';

/** Files that take a limited line long enough to be flushed a few at a time. */
const slowly = {durability: 'file', limit: 2_000_000, plant} as const;

function plant(_: ExecutionContext, parent: string): string {
  const tree = join(parent, 'tree');
  mkdirSync(tree);
  for (let number = 0; number < 10; number++) {
    writeFileSync(join(tree, `${number}`), pseudoRandom(270_000, `${number}`));
  }
  return tree;
}

testFailure({
  ...slowly,
  title: 'before any flush costs no file that its sender was told of',
  row: "power lost before the receiver's n-th flush, each file durable",
  fault: {what: 'power', kinds: 'sync'},
});

testFailure({
  ...slowly,
  title: 'right behind any flush costs no file that its sender was told of',
  row: "power lost behind the receiver's n-th flush, each file durable",
  fault: {what: 'power', kinds: 'sync', flags: ['--after']},
});

testFailure({
  title: 'behind any step of a transfer that is resumed costs nothing that was said to be there',
  row: "power lost behind the resuming receiver's n-th change of its disk, names on disk before contents",
  fault: {what: 'power-log', kinds: steps, flags: ['--after']},
  resuming: true,
});

if (thorough) {
  testFailure({
    ...slowly,
    title: 'behind any name that is given costs no file that its sender was told of',
    row: "power lost behind the receiver's n-th name, each file durable",
    fault: {what: 'power', kinds: 'rename', flags: ['--after']},
  });
}
