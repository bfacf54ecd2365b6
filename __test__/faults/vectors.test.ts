import {spawnSync} from 'node:child_process';
import {cpSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import {makeFolder} from '../helpers/folder.ts';

const vectors = 'docs/vectors';
const python = ['python3', '/usr/bin/python3'].find(
  (name) => spawnSync(name, ['-c', 'import cryptography']).status === 0,
);
const run = python === undefined ? test.skip : test;
const because = python === undefined ? ' (skipped: no Python 3 that has the package cryptography)' : '';

/** Recomputes all vectors in a folder, and returns the names of those that are as computed and of the others. */
function check(folder: string): {right: string[]; wrong: string[]} {
  const {stdout, stderr} = spawnSync(python ?? '', [`${vectors}/check`, folder], {encoding: 'utf8'});
  const lines = stdout.split('\n').filter((line) => line !== '');
  if (lines.length === 0) {
    throw new Error(stderr);
  }
  const named = lines.map((line) => [line.split(':', 1)[0] ?? '', line.endsWith(': as computed')] as const);
  return {
    right: named.filter(([, isRight]) => isRight).map(([name]) => name),
    wrong: named.filter(([, isRight]) => !isRight).map(([name]) => name),
  };
}

function files(): string[] {
  return readdirSync(vectors)
    .filter((name) => name.endsWith('.json'))
    .toSorted();
}

run(
  `another implementation of the protocol comes to the same bytes, and reads a captured session${because}`,
  (t) => {
    t.deepEqual(check(vectors), {right: files(), wrong: []});
  },
);

run(`it would notice a digit that is wrong in any of them${because}`, (t) => {
  const folder = join(makeFolder(t), 'vectors');
  cpSync(vectors, folder, {recursive: true});
  for (const name of files()) {
    const text = readFileSync(join(folder, name), 'utf8');
    // The last long number: nothing is checked against itself.
    const at = [...text.matchAll(/"[\da-f]{32,}"/g)].at(-1)?.index ?? -1;
    t.not(at, -1, name);
    const digit = text[at + 1] === '0' ? '1' : '0';
    writeFileSync(join(folder, name), text.slice(0, at + 1) + digit + text.slice(at + 2));
  }
  t.deepEqual(check(folder), {right: [], wrong: files()});
});
