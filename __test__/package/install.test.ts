import {existsSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import {install, place, run} from './installed.ts';
import {assertCommandMoves} from './moved.ts';

test('npx hawser receive and npx hawser send move a tree', async (t) => {
  await assertCommandMoves(t, ['npx', 'hawser'], place.site);
});

/** What npm is told of a machine, and which package it is to choose for that. */
const machines = {
  'darwin-arm64': ['--os=darwin', '--cpu=arm64'],
  'darwin-x64': ['--os=darwin', '--cpu=x64'],
  'linux-arm64-gnu': ['--os=linux', '--cpu=arm64', '--libc=glibc'],
  'linux-arm64-musl': ['--os=linux', '--cpu=arm64', '--libc=musl'],
  'linux-x64-gnu': ['--os=linux', '--cpu=x64', '--libc=glibc'],
  'linux-x64-musl': ['--os=linux', '--cpu=x64', '--libc=musl'],
  'win32-arm64-msvc': ['--os=win32', '--cpu=arm64'],
  'win32-x64-msvc': ['--os=win32', '--cpu=x64'],
};

for (const [platform, options] of Object.entries(machines)) {
  test(`npm install ${options.join(' ')} brings ${platform} and no other`, async (t) => {
    const folder = await install(t, ...options);

    t.deepEqual(readdirSync(join(folder, 'node_modules/@hawser')), [`native-${platform}`]);
    t.deepEqual(readdirSync(join(folder, `node_modules/@hawser/native-${platform}`)), [
      'LICENSE',
      'README.md',
      `hawser.${platform}.node`,
      'package.json',
    ]);
  });
}

test('where there is no binary for the machine, hawser is installed without one', async (t) => {
  const folder = await install(t, '--os=freebsd', '--cpu=x64');

  t.false(existsSync(join(folder, 'node_modules/@hawser')));
  t.true(existsSync(join(folder, 'node_modules/hawser')));
});

test('without optional packages the command and the API say which one is missing, and what to do', async (t) => {
  const folder = await install(t, '--omit=optional');
  const expected =
    `the package @hawser/native-${place.host}, which has hawser's binary for this machine, is not installed: install ` +
    'hawser again on this machine, without --omit=optional (in a clone, run "npm run build:native")';

  for (const args of [['receive', 'inbox'], ['send', 'package.json', '--to', 'nobody'], ['id'], ['peers']]) {
    t.deepEqual(await run(t, ['npx', 'hawser', ...args], folder), {
      code: 1,
      stdout: '',
      stderr: `hawser: ${expected}\n`,
    });
  }
  const program = `require('hawser').receive({directory: 'inbox'}).catch(({code, message}) => console.log(code, message))`;
  t.deepEqual(await run(t, [process.execPath, '--eval', program], folder), {
    code: 0,
    stdout: `NATIVE_LOAD ${expected}\n`,
    stderr: '',
  });
  t.is((await run(t, ['npx', 'hawser', '--help'], folder)).code, 0);
});
