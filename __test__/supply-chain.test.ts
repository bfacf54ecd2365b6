import {spawnSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import test from 'ava';

/** What this test reads of a package and of its lock file. */
interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
}

interface Lock {
  readonly packages: Readonly<Record<string, {dev?: true; hasInstallScript?: true; resolved?: string}>>;
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}

/** The names under `[dependencies]` of a crate, for every system. */
function cratesOf(manifest: string): readonly string[] {
  const sections = readFileSync(manifest, 'utf8').split(/^(?=\[)/m);
  const dependencies = sections.filter((section) => /^\[(?:target\..*\.)?dependencies\]/.test(section));
  return dependencies.flatMap((section) =>
    Array.from(section.matchAll(/^([\w-]+)[. ]/gm), ([, name]) => name ?? ''),
  );
}

test('nothing that is installed with hawser runs a script while it is installed', (t) => {
  const installed = Object.entries((readJson('package-lock.json') as Lock).packages);
  const users = installed.filter(([path, {dev}]) => path !== '' && !dev);
  t.true(users.length > 2);
  t.deepEqual(
    users.filter(([, {hasInstallScript}]) => hasInstallScript),
    [],
  );
  const {scripts} = readJson('package.json') as Manifest;
  for (const hook of ['preinstall', 'install', 'postinstall']) t.false(hook in scripts, hook);
});

test('every dependency has its reason in docs/architecture.md', (t) => {
  const reasons = readFileSync('docs/architecture.md', 'utf8').split('## Dependencies')[1] ?? '';
  const crates = ['protocol', 'engine', 'addon'].flatMap((crate) => cratesOf(`native/${crate}/Cargo.toml`));
  const packages = Object.keys((readJson('package.json') as Manifest).dependencies);
  const ours = new Set(['hawser-protocol', 'hawser-engine']);
  const named = [...crates, ...packages].filter((name) => !ours.has(name));
  t.true(named.length > 10);
  t.deepEqual(
    named.filter((name) => !new RegExp(`[\`| ]${name}[\`|, ]`).test(reasons)),
    [],
  );
});

test('lock files name no place to download from but the registries', (t) => {
  for (const path of ['package-lock.json', '__test__/package/tools/package-lock.json']) {
    const {packages} = readJson(path) as Lock;
    t.deepEqual(
      Object.entries(packages).filter(([, {resolved}]) => resolved !== undefined),
      [],
    );
  }
  const sources = readFileSync('Cargo.lock', 'utf8').match(/^source = .*$/gm) ?? [];
  t.deepEqual([...new Set(sources)], ['source = "registry+https://github.com/rust-lang/crates.io-index"']);
});

const deny = spawnSync('cargo', ['deny', '--version']).status === 0 ? test : test.skip;

deny('cargo deny finds no licence, source or crate that is not wanted', (t) => {
  const args = ['deny', '--offline', 'check', 'bans', 'licenses', 'sources'];
  const {status, stderr} = spawnSync('cargo', args, {encoding: 'utf8'});
  t.is(status, 0, stderr);
});
