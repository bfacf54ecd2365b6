import {execFileSync} from 'node:child_process';
import {cpSync, readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {join} from 'node:path';
import test from 'ava';
import {makeFolder} from './helpers/folder.ts';

const {version: old} = createRequire(import.meta.url)('hawser/package.json') as {version: string};

/** Runs a command as somebody whose git is set up in no way. */
function execute(cwd: string, command: string, ...args: readonly string[]): string {
  const person = {NAME: 'somebody', EMAIL: 'somebody@example.com'};
  const people = Object.entries(person).flatMap(([key, value]) => [
    [`GIT_AUTHOR_${key}`, value],
    [`GIT_COMMITTER_${key}`, value],
  ]);
  const env = {
    ...process.env,
    GIT_CONFIG_GLOBAL: '/dev/null',
    ...Object.fromEntries(people),
  } as NodeJS.ProcessEnv;
  return execFileSync(command, args, {cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit']});
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

test('npm version changes the version everywhere, and commits and tags that', (t) => {
  const clone = makeFolder(t);
  const files = execute('.', 'git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard').split(
    '\0',
  );
  for (const file of files.filter(Boolean)) cpSync(file, join(clone, file));
  execute(clone, 'git', 'init', '--quiet', '--initial-branch=main');
  execute(clone, 'git', 'add', '--all');
  execute(clone, 'git', 'commit', '--quiet', '--message=before');

  execute(clone, 'npm', 'version', '77.88.99', '--loglevel=error');

  t.is(execute(clone, 'git', 'status', '--porcelain'), '');
  t.deepEqual(lines(execute(clone, 'git', 'tag', '--points-at', 'HEAD')), ['v77.88.99']);
  t.deepEqual(lines(execute(clone, 'git', 'diff', '--name-only', 'HEAD~')).toSorted(), [
    'CHANGELOG.md',
    'Cargo.lock',
    'Cargo.toml',
    'binding.cjs',
    'native/fuzz/Cargo.lock',
    'native/fuzz/Cargo.toml',
    'npm/darwin-arm64/package.json',
    'npm/darwin-x64/package.json',
    'npm/linux-arm64-gnu/package.json',
    'npm/linux-arm64-musl/package.json',
    'npm/linux-x64-gnu/package.json',
    'npm/linux-x64-musl/package.json',
    'npm/win32-arm64-msvc/package.json',
    'npm/win32-x64-msvc/package.json',
    'package-lock.json',
    'package.json',
  ]);
  const left = execute(clone, 'git', 'ls-files', '-z')
    .split('\0')
    .filter((file) => hasOld(clone, file));
  t.deepEqual(left, []);
  t.regex(
    readFileSync(join(clone, 'CHANGELOG.md'), 'utf8'),
    /\n## Unreleased\n\n## 77\.88\.99 - \d{4}-\d\d-\d\d\n\n/,
  );
});

/** Whether a file has the old version as ours; what others have in lock files, and what was released, is not. */
function hasOld(clone: string, file: string): boolean {
  if (file === '' || file === 'CHANGELOG.md') return false;
  const text = readFileSync(join(clone, file), 'latin1');
  const version = `(?<![\\d.])${old.replaceAll('.', '\\.')}(?![\\d.])`;
  const ours = file.endsWith('Cargo.lock') ? `name = "hawser[a-z-]*"\nversion = "${version}` : version;
  return !file.endsWith('package-lock.json') && new RegExp(ours).test(text);
}
