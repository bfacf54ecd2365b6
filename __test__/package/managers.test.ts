import {cpSync, existsSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {emptyFolder, place, succeed, tool} from './installed.ts';
import {assertCommandMoves, assertProgramMoves} from './moved.ts';

/** A project with nothing installed, and a program that wants hawser. */
function makeProject(files: Readonly<Record<string, string>> = {}): string {
  const folder = emptyFolder();
  cpSync('__test__/package/programs', folder, {recursive: true});
  writeFileSync(join(folder, 'package.json'), '{"private": true}');
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

const node24 = tool('node24/bin/node');
const config = (folder: string): NodeJS.ProcessEnv => ({XDG_CACHE_HOME: folder, XDG_DATA_HOME: folder});

test('pnpm installs hawser with the one binary', async (t) => {
  const folder = makeProject();
  const pnpm = [node24, tool('pnpm/bin/pnpm.mjs')];

  await succeed(
    t,
    [...pnpm, 'add', 'hawser', '--registry', place.registry, '--store-dir', join(folder, 'store')],
    folder,
    config(folder),
  );

  const natives = readdirSync(join(folder, 'node_modules/.pnpm')).filter((name) =>
    name.startsWith('@hawser'),
  );
  t.deepEqual(natives, [`@hawser+native-${place.host}@${place.version}`]);
  await assertInstalled(t, [process.execPath], folder);
});

test('Yarn 1 installs hawser', async (t) => {
  const folder = makeProject();
  const yarn = [process.execPath, tool('yarn/bin/yarn.js')];

  await succeed(t, [...yarn, 'add', 'hawser', '--cache-folder', join(folder, 'cache')], folder);

  // It does not know one libc from another. The loader does.
  const natives = readdirSync(join(folder, 'node_modules/@hawser'));
  t.deepEqual(natives, ['native-linux-x64-gnu', 'native-linux-x64-musl']);
  await assertInstalled(t, [process.execPath], folder);
});

for (const linker of ['pnp', 'node-modules']) {
  test(`Yarn 4 installs hawser, with the linker ${linker}`, async (t) => {
    // What was published a moment ago it would not take yet.
    const settings = {
      enableGlobalCache: false,
      enableTelemetry: false,
      nodeLinker: linker,
      npmMinimalAgeGate: 0,
      npmRegistryServer: place.registry,
      unsafeHttpWhitelist: ['127.0.0.1'],
    };
    const folder = makeProject({'.yarnrc.yml': JSON.stringify(settings), 'yarn.lock': ''});
    const yarn = [process.execPath, tool('@yarnpkg/cli-dist/bin/yarn.js')];

    await succeed(t, [...yarn, 'add', 'hawser'], folder, config(folder));

    t.is(existsSync(join(folder, '.pnp.cjs')), linker === 'pnp');
    await assertProgramMoves(t, [...yarn, 'node'], folder);
    await assertCommandMoves(t, [...yarn, 'hawser'], folder);
  });
}

test('Bun installs hawser with the one binary', async (t) => {
  const folder = makeProject();
  const bun = tool('@oven/bun-linux-x64/bin/bun');

  await succeed(t, [bun, 'add', 'hawser'], folder, {BUN_INSTALL_CACHE_DIR: join(folder, 'cache')});

  t.deepEqual(readdirSync(join(folder, 'node_modules/@hawser')), [`native-${place.host}`]);
  await assertInstalled(t, [bun], folder);
});

test('Deno installs hawser', async (t) => {
  const folder = makeProject();
  const deno = tool('@deno/linux-x64-glibc/deno');
  const env = {DENO_DIR: join(folder, 'cache'), NPM_CONFIG_REGISTRY: place.registry};

  await succeed(t, [deno, 'add', '--minimum-dependency-age=0', 'npm:hawser'], folder, env);

  const natives = readdirSync(join(folder, 'node_modules/.deno')).filter((name) =>
    name.startsWith('@hawser'),
  );
  t.true(natives.includes(`@hawser+native-${place.host}@${place.version}`), natives.join());
  await assertInstalled(t, [deno, 'run', '--allow-all'], folder);
});

/** Asserts that what is in node_modules moves a tree, by the API and by the command. */
async function assertInstalled(
  t: ExecutionContext,
  runtime: readonly string[],
  folder: string,
): Promise<void> {
  await assertProgramMoves(t, runtime, folder);
  await assertCommandMoves(t, [join(folder, 'node_modules/.bin/hawser')], folder);
}
