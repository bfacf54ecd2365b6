import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {chmodSync, chownSync, mkdirSync, readFileSync, readdirSync, writeFileSync} from 'node:fs';
import {writeFile} from 'node:fs/promises';
import {join, resolve} from 'node:path';
import {pathToFileURL} from 'node:url';
import test, {type ExecutionContext} from 'ava';
import {receive, send} from '../src/index.ts';
import {makeFolder} from './helpers/folder.ts';
import {loopback, startReceiver} from './helpers/loopback.ts';
import {writeSparse} from './helpers/tree.ts';

/** What threads and processes may do is seen on Linux only. */
const linux = process.platform === 'linux' ? test.serial : test.serial.skip;

/** The threads of this process by name, and whether they are bound for good to what they may do now. */
function threads(): readonly (readonly [name: string, isBound: boolean])[] {
  return readdirSync('/proc/self/task').flatMap((id) => {
    try {
      const status = readFileSync(`/proc/self/task/${id}/status`, 'utf8');
      return [[/^Name:\t(.*)$/m.exec(status)?.[1] ?? '', /^NoNewPrivs:\t1$/m.test(status)] as const];
    } catch {
      // It has ended.
      return [];
    }
  });
}

const isOfSession = (name: string) => /^hawser-(session|read-|write-)/.test(name);

linux(
  'a session binds its own threads and no other of its process, and the process stays free',
  async (t) => {
    const folder = makeFolder(t);
    writeSparse(join(folder, 'endless'), 2 ** 32);
    const receiver = await startReceiver(t, join(folder, 'inbox'));

    const transfer = send([join(folder, 'endless')], {to: receiver.ticket, lanes: 2, limit: 50_000_000});
    let found = threads();
    // A thread that has just begun binds itself before it does anything else.
    for await (const {bytesDone} of transfer.progress(10)) {
      found = threads();
      // The second lane joins while the first one carries bytes.
      const names = new Set(found.map(([name]) => name).filter(isOfSession));
      const hasBegun = bytesDone > 0 && names.size >= 5;
      if (hasBegun && found.every(([name, isBound]) => isBound || !isOfSession(name))) break;
    }
    writeFileSync(join(folder, 'by the main thread'), 'free');
    await writeFile(join(folder, 'by a thread of libuv'), 'free');
    const child = spawnSync('grep', ['NoNewPrivs', '/proc/self/status'], {encoding: 'utf8'});
    void transfer.close();
    await t.throwsAsync(transfer.finished(), {code: 'CANCELLED'});

    const bound = found.filter(([, isBound]) => isBound).map(([name]) => name);
    const ofSessions = found.map(([name]) => name).filter(isOfSession);
    t.deepEqual(bound, ofSessions);
    t.true(new Set(ofSessions).size >= 5, ofSessions.join());
    t.true(
      found.some(([name]) => name === 'hawser-listen') && found.some(([name]) => name === 'hawser-dial'),
    );
    t.is(child.stdout, 'NoNewPrivs:\t0\n');
  },
);

linux('a session that asked first binds its threads, too, once it may write', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'endless'), 2 ** 32);
  const chosen = join(folder, 'chosen');
  const receiver = await receive({
    directory: join(folder, 'inbox'),
    bind: loopback,
    onOffer: () => ({accept: true, directory: chosen}),
  });
  t.teardown(() => receiver.close());

  const transfer = send([join(folder, 'endless')], {to: receiver.ticket, lanes: 2, limit: 50_000_000});
  let unbound: readonly string[] = [];
  for await (const {bytesDone} of transfer.progress(10)) {
    // Each of them is when it next has something to do.
    const ofSessions = threads().filter(([name]) => isOfSession(name));
    unbound = ofSessions.flatMap(([name, isBound]) => (isBound ? [] : [name]));
    if (bytesDone > 0 && ofSessions.length >= 5 && unbound.length === 0) break;
  }
  void transfer.close();
  await t.throwsAsync(transfer.finished(), {code: 'CANCELLED'});
  t.deepEqual(unbound, []);
});

/** Starts a Node process that is no root, and asks another one of its user what it sees of the first's environment. */
async function environmentOf(
  t: ExecutionContext,
  args: readonly string[],
): Promise<{read: number | null; limits: string}> {
  const home = makeFolder(t);
  chmodSync(home, 0o700);
  const ids = process.getuid?.() === 0 ? {uid: 65534, gid: 65534} : {};
  if (ids.uid !== undefined) chownSync(home, ids.uid, ids.gid);
  mkdirSync(join(home, 'inbox'), {mode: 0o777});
  chmodSync(join(home, 'inbox'), 0o777);
  const child = spawn(process.execPath, args, {
    ...ids,
    cwd: join(home, 'inbox'),
    env: {...process.env, HAWSER_CONFIG_DIR: home, HAWSER_SECRET: 'do not tell'},
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const reader = spawnSync('grep', ['--quiet', 'do not tell', `/proc/${child.pid}/environ`], ids);
  const limits = spawnSync('cat', [`/proc/${child.pid}/limits`], {encoding: 'utf8'}).stdout;
  return {read: reader.status, limits};
}

const main = resolve('dist/cli/main.js');
const api = JSON.stringify(pathToFileURL(resolve('build/src/index.js')).href);
const embedding = (more: string) => [
  '--input-type=module',
  '--eval',
  `import {protectMemory, receive} from ${api};
   ${more}
   console.log((await receive({directory: '.', bind: ['127.0.0.1']})).ticket);
   setInterval(() => {}, 1000);`,
];
const unreadable = 2;

linux('others of the same user cannot look into the command, and it leaves no dump', async (t) => {
  const {read, limits} = await environmentOf(t, [main, 'receive', '--bind', '127.0.0.1']);

  t.is(read, unreadable);
  t.regex(limits, /^Max core file size +0 /m);
});

linux('a program that embeds it is left as it is, unless it asks', async (t) => {
  t.is((await environmentOf(t, embedding(''))).read, 0);
  t.is((await environmentOf(t, embedding('protectMemory();'))).read, unreadable);
});
