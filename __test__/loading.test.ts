import {pathToFileURL} from 'node:url';
import test from 'ava';
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

test('a binary that cannot be loaded is an error that says what to do', async (t) => {
  const code = `
    import {receive, send} from ${JSON.stringify(api)};
    for (const call of [async () => receive({directory: 'inbox'}), async () => send(['file'], {to: 'ticket'})]) {
      await call().catch(({code, message, cause}) => console.log(code, /npm run build:native/.test(message), !!cause));
    }`;

  const result = await runNode(t, ['--input-type=module', '--eval', code], broken);

  t.deepEqual(result, {code: 0, stdout: 'NATIVE_LOAD true true\n'.repeat(2), stderr: ''});
});
