import {spawnSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {makeFolder} from '../helpers/folder.ts';
import {injectArgs, prepare, program, type Fault} from './inject.ts';

const missing = prepare();
const run = missing === undefined ? test : test.skip;
const because = missing === undefined ? '' : ` (skipped: ${missing})`;

/** One call of each kind in a folder, and some that are none of its business. */
const script = `
  const fs = require('node:fs');
  const [inside] = process.argv.slice(1);
  fs.mkdirSync(inside + '/folder');
  const file = fs.openSync(inside + '/file', 'w+');
  const written = fs.writeSync(file, Buffer.alloc(20_000));
  fs.fsyncSync(file);
  fs.ftruncateSync(file, 10_000);
  const read = fs.readSync(file, Buffer.alloc(5000), 0, 5000, 0);
  fs.futimesSync(file, 1, 1);
  fs.closeSync(file);
  fs.renameSync(inside + '/file', inside + '/folder/file');
  fs.unlinkSync(inside + '/folder/file');
  fs.writeFileSync(inside + '-beside', '');
  fs.rmdirSync(inside + '/folder');
  console.log(written, read);
`;
const kindsInOrder = 'mkdir create write sync alloc read stamp rename unlink unlink';

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly calls: readonly string[];
}

function inject(t: ExecutionContext, fault: Omit<Fault, 'inside'>): Outcome {
  const folder = makeFolder(t);
  const log = join(folder, 'calls');
  const inside = join(folder, 'inside');
  spawnSync('mkdir', [inside]);
  const args = injectArgs({...fault, inside}, log, [process.execPath, '--eval', script, inside]);
  const {status, stdout, stderr} = spawnSync(program, args, {encoding: 'utf8'});
  return {status, stdout, stderr, calls: readFileSync(log, 'utf8').trimEnd().split('\n')};
}

run(`the injector counts what touches its folder, and nothing else${because}`, (t) => {
  const {status, stdout, calls} = inject(t, {what: 'count'});

  t.is(status, 0);
  t.is(stdout, '20000 5000\n');
  t.is(calls.map((call) => call.split(' ')[1]).join(' '), kindsInOrder);
});

run(`the injector kills before the call that was asked for, or behind it${because}`, (t) => {
  const before = inject(t, {what: 'kill', kinds: 'mkdir,unlink', at: 2});
  const behind = inject(t, {what: 'kill', kinds: 'mkdir,unlink', at: 2, flags: ['--after']});

  for (const {status, stdout, calls} of [before, behind]) {
    t.is(status, 137);
    t.is(stdout, '');
    t.is(calls.length, 2);
  }
});

run(`the injector makes the call fail that was asked for, and no other${because}`, (t) => {
  const once = inject(t, {what: 'ENOSPC', kinds: 'sync'});
  const never = inject(t, {what: 'ENOSPC', kinds: 'sync', at: 2});

  t.is(once.status, 1);
  t.regex(once.stderr, /ENOSPC: no space left on device, fsync/);
  t.is(never.status, 0);
});

run(`the injector shortens a write and a read${because}`, (t) => {
  const written = inject(t, {what: 'short', kinds: 'write'});
  const read = inject(t, {what: 'short', kinds: 'read'});

  // Node writes the rest by itself, and says nothing.
  t.is(written.calls.length, 2);
  t.is(read.stdout, '20000 2500\n');
});
