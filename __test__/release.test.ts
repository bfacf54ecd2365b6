import {spawnSync} from 'node:child_process';
import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {homedir} from 'node:os';
import {delimiter, join} from 'node:path';
import test from 'ava';
import {runNode} from './helpers/process.ts';

interface Manifest {
  readonly scripts: Readonly<Record<string, string>>;
  readonly napi: {readonly targets: readonly string[]};
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest;
const release = readFileSync('.github/workflows/release.yml', 'utf8');
const workflows = readdirSync('.github/workflows').map((name) =>
  readFileSync(`.github/workflows/${name}`, 'utf8'),
);

/** What a pattern's group matches in a text, each once, sorted. */
function named(text: string, pattern: RegExp): readonly string[] {
  return [...new Set(Array.from(text.matchAll(pattern), ([, name]) => name ?? ''))].toSorted();
}

test('a release builds every target, and tries each package where it is to run', (t) => {
  t.deepEqual(named(release, /\{target: ([\w-]+),/g), manifest.napi.targets.toSorted());
  t.deepEqual(named(release, /\{platform: ([\w-]+),/g), readdirSync('npm').toSorted());
});

test('workflows run scripts that exist, and actions that nobody can change afterwards', (t) => {
  for (const workflow of workflows) {
    for (const script of named(workflow, /node (scripts\/[\w-]+\.mjs)/g)) t.true(existsSync(script), script);
    for (const script of named(workflow, /npm run ([\w:-]+)/g)) t.true(script in manifest.scripts, script);
    for (const action of named(workflow, /uses: (\S+)/g)) t.regex(action, /^\.\/|@[0-9a-f]{40}$/);
  }
});

test('nothing is packed for a tag of another version', async (t) => {
  const {code, stderr} = await runNode(t, ['scripts/pack.mjs', '--tag', 'v0.0.0-other']);
  t.is(code, 1);
  t.regex(stderr, /^The tag is v0\.0\.0-other, and the version in package\.json /);
});

const {glibcVersionRuntime} = (process.report.getReport() as {header: {glibcVersionRuntime?: string}}).header;
const glibc = glibcVersionRuntime !== undefined && runs('objdump') ? test : test.skip;

glibc('an addon that needs a later glibc than promised is not released', async (t) => {
  // Node itself is such a library: every release that runs hawser needs glibc 2.28.
  const code = `import {checkGlibc} from './scripts/glibc.mjs'; checkGlibc(process.execPath);`;
  const {code: exitCode, stderr} = await runNode(t, ['--input-type=module', '--eval', code]);
  t.is(exitCode, 1);
  t.regex(stderr, /needs a later glibc than 2\.17: .*\(2\.\d+\)/);
});

const msvc = process.platform === 'win32' ? test.skip : test;

msvc('what a machine cannot build it does not try to, and says why', async (t) => {
  const {code, stderr} = await runNode(t, ['scripts/build-target.mjs', 'x86_64-pc-windows-msvc']);
  t.is(code, 1);
  t.is(
    stderr,
    "x86_64-pc-windows-msvc cannot be built here: only Windows has Microsoft's linker and system libraries.\n",
  );
});

const actionlint = runs('actionlint') ? test : test.skip;

actionlint('actionlint finds nothing in the workflows', (t) => {
  const {status, stdout, stderr} = run('actionlint', []);
  t.is(status, 0, stdout + stderr);
});

const hadolint = runs('hadolint') ? test : test.skip;

hadolint('hadolint finds nothing in the Dockerfile', (t) => {
  const {status, stdout, stderr} = run('hadolint', ['Dockerfile']);
  t.is(status, 0, stdout + stderr);
});

function runs(command: string): boolean {
  return run(command, ['--version']).status === 0;
}

/** Runs a tool that may be where Go and pip put what a user installs. */
function run(
  command: string,
  args: readonly string[],
): {status: number | null; stdout: string; stderr: string} {
  const folders = [process.env['PATH'], join(homedir(), 'go/bin'), join(homedir(), '.local/bin')];
  return spawnSync(command, args, {encoding: 'utf8', env: {...process.env, PATH: folders.join(delimiter)}});
}
