import {resolve} from 'node:path';
import {pathToFileURL} from 'node:url';
import test, {type ExecutionContext} from 'ava';
import {runNode} from './helpers/process.ts';

const api = pathToFileURL('build/src/index.js').href;

/** A place where there is no binary. */
const broken = {NAPI_RS_NATIVE_LIBRARY_PATH: '/no/such/binary.node'};

test('importing the package loads no binary', async (t) => {
  const code = `import * as hawser from ${JSON.stringify(api)}; console.log(Object.keys(hawser).join())`;

  const result = await runNode(t, ['--input-type=module', '--eval', code], broken);

  t.deepEqual(result, {
    code: 0,
    stdout:
      'HawserError,KnownPeers,checkCode,get,isHawserError,partials,protectMemory,publicIdentity,receive,removePartials,send,' +
      'share,verify\n',
    stderr: '',
  });
});

test('the command says so when Node is older than it needs', async (t) => {
  const old = `Object.defineProperty(process, 'versions', {value: {...process.versions, node: '20.18.3'}})`;
  const args = [
    '--import',
    `data:text/javascript,${encodeURIComponent(old)}`,
    'dist/cli/main.js',
    '--version',
  ];

  t.deepEqual(await runNode(t, args), {
    code: 1,
    stdout: '',
    stderr: 'hawser: this is Node 20.18.3, and hawser needs 20.19.0 or newer\n',
  });
});

/** What calls that need the binary come to, in a process that `before` has changed. */
async function failures(t: ExecutionContext, before: string, env?: NodeJS.ProcessEnv): Promise<string> {
  const code = `
    ${before}
    import {receive, send} from ${JSON.stringify(api)};
    const messages = [];
    for (const call of [async () => receive({directory: 'inbox'}), async () => send(['file'], {to: 'ticket'})]) {
      await call().catch(({code, message, cause}) => messages.push([code, message, !!cause].join('|')));
    }
    console.log([...new Set(messages)].join('\\n'));`;
  const {code: exitCode, stdout, stderr} = await runNode(t, ['--input-type=module', '--eval', code], env);
  t.deepEqual({exitCode, stderr}, {exitCode: 0, stderr: ''});
  return stdout;
}

const here = `${process.platform}-${process.arch}`;

test('a binary that does not load is an error that says why', async (t) => {
  t.is(
    await failures(t, '', broken),
    `NATIVE_LOAD|the native binary for ${here} does not load: Cannot find module '/no/such/binary.node'. Install ` +
      'hawser again on this machine, which must be one that its README names|true\n',
  );
  t.regex(
    await failures(t, '', {NAPI_RS_NATIVE_LIBRARY_PATH: resolve('LICENSE')}),
    /^NATIVE_LOAD\|the native binary for .+ does not load: .+\. Install hawser again .+\n$/,
  );
});

/** A machine that this one is not, and the package with its binary. */
const machines = [
  ['darwin', 'arm64', 'darwin-arm64'],
  ['darwin', 'x64', 'darwin-x64'],
  ['linux', 'arm64', 'linux-arm64-gnu'],
  ['win32', 'arm64', 'win32-arm64-msvc'],
  ['win32', 'x64', 'win32-x64-msvc'],
] as const;

for (const [platform, arch, name] of machines) {
  if (here === `${platform}-${arch}`) continue;
  test(`without the package for ${platform} on ${arch} the error names it, and says what to do`, async (t) => {
    const message = await failures(
      t,
      `Object.defineProperties(process, {platform: {value: '${platform}'}, arch: {value: '${arch}'}});`,
    );
    t.is(
      message,
      `NATIVE_LOAD|the package @hawser/native-${name}, which has hawser's binary for this machine, is not installed: ` +
        'install hawser again on this machine, without --omit=optional (in a clone, run "npm run build:native")|true\n',
    );
  });
}

for (const [platform, arch] of [
  ['linux', 'ppc64'],
  ['linux', 'sparc'],
  ['freebsd', 'x64'],
  ['plan9', 'x64'],
]) {
  test(`on ${platform} on ${arch}, for which there is no package, the error names those that there are`, async (t) => {
    const message = await failures(
      t,
      `Object.defineProperties(process, {platform: {value: '${platform}'}, arch: {value: '${arch}'}});`,
    );
    t.regex(
      message,
      /^NATIVE_LOAD\|there is no binary of hawser for .+, but for darwin-arm64, .+, win32-x64-msvc\|true\n$/,
    );
  });
}
