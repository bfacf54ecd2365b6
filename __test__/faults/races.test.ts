import {execFileSync} from 'node:child_process';
import {
  chownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {join, resolve} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {send} from '../../src/index.ts';
import {makeFolder} from '../helpers/folder.ts';
import {configFolder} from '../helpers/identity.ts';
import {Process} from '../helpers/process.ts';
import {writeFiles} from '../helpers/tree.ts';
import {thorough} from './inject.ts';

/** Transfers into each race. */
const rounds = thorough ? 500 : 25;

/** Who receives: root, whom no mode would stop, and somebody to whom the outside belongs. */
const users = {root: 0, 'a user': 65534} as const;

const missing = process.platform === 'linux' && process.getuid?.() === 0 ? undefined : 'needs Linux and root';
const run = missing === undefined ? test.serial : test.serial.skip;
const because = missing === undefined ? '' : ` (skipped: ${missing})`;

/** Compiles what exchanges names. */
function flipper(): string {
  const program = resolve('build/tools/flip');
  mkdirSync(resolve('build/tools'), {recursive: true});
  const mine = `${program}.${process.pid}`;
  execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-o', mine, '__test__/faults/flip.c']);
  renameSync(mine, program);
  return program;
}

/** All that shows whether a tree was touched. */
function looks(folder: string): readonly string[] {
  return [
    folder,
    ...readdirSync(folder, {recursive: true, encoding: 'utf8'}).map((name) => join(folder, name)),
  ]
    .toSorted()
    .map((path) => {
      const {mode, uid, size, mtimeNs, ctimeNs} = lstatSync(path, {bigint: true});
      return [path, mode, uid, size, mtimeNs, ctimeNs].join(' ');
    });
}

async function race(
  t: ExecutionContext,
  uid: number,
  flipped: readonly (readonly [folder: string, name: string])[],
): Promise<void> {
  const home = makeFolder(t);
  const [inbox, outside, from] = [join(home, 'inbox'), join(home, 'outside'), join(home, 'from')];
  for (const path of ['top/inner/deep', '.hawser/partials', '.hawser/records']) {
    mkdirSync(join(inbox, path), {recursive: true});
  }
  writeFileSync(join(inbox, '.hawser/stays'), '');
  mkdirSync(join(outside, 'inner/deep'), {recursive: true});
  writeFileSync(join(outside, 'secret'), 'secret');
  const flips = flipped.map(([folder, name], at) => {
    const link = join(inbox, `link ${at}`);
    symlinkSync(outside, link);
    return {folder: join(inbox, folder), name, link};
  });
  const config = configFolder(home);
  execFileSync('chown', ['-hR', `${uid}:${uid}`, home]);
  chownSync(home, uid, uid);
  const before = looks(outside);

  const words = flips.flatMap(({folder, name, link}) => [folder, name, link]);
  const flipping = new Process(t, flipper(), words);
  await flipping.said('stdout', /flipping/);
  const receiver = new Process(
    t,
    'setpriv',
    [
      `--reuid=${uid}`,
      `--regid=${uid}`,
      '--clear-groups',
      process.execPath,
      resolve('dist/cli/main.js'),
      'receive',
      inbox,
      '--bind',
      '127.0.0.1',
      '--port',
      '0',
    ],
    config,
  );
  const ticket = await receiver.said('stdout', /hawser1\w+/);

  let came = 0;
  for (let round = 0; round < rounds; round++) {
    await writeFiles(join(from, String(round)), {
      [`top/${round}`]: 'top',
      [`top/inner/${round}`]: 'inner',
      [`top/inner/deep/${round}`]: Buffer.alloc(300_000, round),
    });
    // However many of its entries fail, it ends in order.
    const report = await send([join(from, String(round), 'top')], {to: ticket, entries: 'all'}).finished();
    came += report.files;
    rmSync(join(from, String(round)), {recursive: true});
  }
  flipping.kill('SIGKILL');
  await flipping.ended();

  t.true(came > 0);
  t.log(`${came} of ${rounds * 3} files came`);
  t.deepEqual(looks(outside), before);
  // It still serves, once everything is where it belongs.
  for (const {folder, name, link} of flips) {
    if (lstatSync(link).isSymbolicLink()) continue;
    renameSync(join(folder, name), `${link} aside`);
    renameSync(link, join(folder, name));
  }
  t.is(readFileSync(join(outside, 'secret'), 'utf8'), 'secret');
  await writeFiles(from, {good: 'good'});
  t.is((await send([join(from, 'good')], {to: ticket}).finished()).files, 1);
}

for (const [user, uid] of Object.entries(users)) {
  run(`L1 L2 L3: ${user} receives while folders turn into links and back${because}`, async (t) => {
    await race(t, uid, [['', 'top']]);
    await race(t, uid, [['top', 'inner']]);
    await race(t, uid, [
      ['', 'top'],
      ['top/inner', 'deep'],
    ]);
  });

  run(`L4: ${user} receives while hawser's own folders turn into links and back${because}`, async (t) => {
    await race(t, uid, [['', '.hawser']]);
    await race(t, uid, [['.hawser', 'partials']]);
  });
}
