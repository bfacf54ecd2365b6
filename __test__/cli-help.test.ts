import {createRequire} from 'node:module';
import test from 'ava';
import {run} from './helpers/cli.ts';

/** Help must not need the binary. */
const broken = {NAPI_RS_NATIVE_LIBRARY_PATH: '/no/such/binary.node'};

const {version} = createRequire(import.meta.url)('hawser/package.json') as {version: string};

test('--version prints the version', async (t) => {
  t.deepEqual(await run(t, ['--version'], broken), {code: 0, stdout: `${version}\n`, stderr: ''});
});

for (const command of ['receive', 'send', 'share', 'get', 'verify', 'partials']) {
  test(`${command} --help explains it, with examples, in 80 columns`, async (t) => {
    const {code, stdout, stderr} = await run(t, [command, '--help'], {...broken, COLUMNS: '80'});

    t.is(code, 0);
    t.is(stderr, '');
    t.true(stdout.startsWith(`Usage: hawser ${command} `));
    t.true(stdout.includes('Examples:'));
    t.deepEqual(
      stdout.split('\n').filter((line) => line.length > 80),
      [],
    );
  });
}

for (const command of ['receive', 'send']) {
  test(`${command} --help says where the key of the user is`, async (t) => {
    const {stdout} = await run(t, [command, '--help'], broken);

    t.regex(stdout, /identity\.pem .+HAWSER_CONFIG_DIR/s);
  });
}

test('--help names every command and every exit code', async (t) => {
  const {code, stdout} = await run(t, ['--help'], broken);

  t.is(code, 0);
  for (const command of ['receive', 'send', 'share', 'get', 'verify', 'partials'])
    t.regex(stdout, new RegExp(`^  ${command} `, 'm'));
  for (const exit of [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 130]) t.regex(stdout, new RegExp(`\\b${exit} [a-z]`));
});
