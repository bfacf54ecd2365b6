import {existsSync, mkdirSync, rmdirSync, writeFileSync} from 'node:fs';
import {resolve, join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {send} from '../../src/index.ts';
import {makeFolder} from '../helpers/folder.ts';
import {Process} from '../helpers/process.ts';
import {differences} from '../helpers/tree-state.ts';
import {pseudoRandom, writeFiles} from '../helpers/tree.ts';

const senders = 16;
const mebibytes = 128;

/** A control group with a limit to its memory, the page cache included: by version 1 or 2 of the interface. */
function group(name: string): string {
  const [parent, limit] = existsSync('/sys/fs/cgroup/memory')
    ? ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes']
    : ['/sys/fs/cgroup', 'memory.max'];
  const path = join(parent, name);
  mkdirSync(path);
  try {
    writeFileSync(join(path, limit), String(mebibytes * 2 ** 20));
  } catch (error) {
    rmdirSync(path);
    throw error;
  }
  return path;
}

/** Why it cannot be tried here. */
function missing(): string | undefined {
  try {
    rmdirSync(group(`hawser-probe-${process.pid}`));
    return undefined;
  } catch (error) {
    return `no control group: ${(error as NodeJS.ErrnoException).code}`;
  }
}

const why = missing();
const run = why === undefined ? test.serial : test.skip;
const because = why === undefined ? '' : ` (skipped: ${why})`;

run(`D16: a receiver that has 128 MiB of memory serves 16 senders at once${because}`, async (t) => {
  const folder = makeFolder(t);
  const names = Array.from({length: senders}, (_, number) => `sender-${number}`);
  for (const name of names) {
    const files: Record<string, string | Buffer> = {[`${name}/large`]: pseudoRandom(20_000_000, name)};
    for (let number = 0; number < 100; number++) files[`${name}/${number}`] = `${name} ${number}`;
    await writeFiles(folder, files);
  }
  const receiver = limited(t, ['receive', join(folder, 'inbox'), '--bind', '127.0.0.1', '--port', '0']);
  const ticket = await receiver.said('stdout', /hawser1\w+/);

  const transfers = names.map((name) => send([join(folder, name)], {to: ticket, lanes: 4, retryMs: 0}));
  const reports = await Promise.all(transfers.map((transfer) => transfer.finished()));

  t.true(reports.every(({failed}) => failed.length === 0));
  for (const name of names) t.deepEqual(differences(join(folder, 'inbox', name), join(folder, name)), []);
  receiver.kill('SIGTERM');
  const {code, stderr} = await receiver.ended();
  t.is(code, 0, stderr);
});

/** The command in a control group of its own, which is removed when it has ended. */
function limited(t: ExecutionContext, args: readonly string[]): Process {
  const path = group(`hawser-test-${process.pid}`);
  const enter = `echo $$ > ${path}/cgroup.procs && exec "$@"`;
  const command = ['-c', enter, 'sh', process.execPath, resolve('dist/cli/main.js'), ...args];
  const child = new Process(t, 'sh', command, {HAWSER_CONFIG_DIR: makeFolder(t)});
  t.teardown(async () => {
    child.kill('SIGKILL');
    await child.ended();
    rmdirSync(path);
  });
  return child;
}
