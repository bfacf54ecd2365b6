import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {
  commandLine,
  hawser,
  hawserOnTerminal,
  onTerminal,
  parseEvents,
  run,
  showCode,
} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {listDelivered, writeFiles, writeSparse} from './helpers/tree.ts';

/** The program `script` of this kind is on every Linux. */
const linux = process.platform === 'linux' ? test : test.skip;

/** A code that is as good as never the one that is shown. */
const wrong = 'abandon-abandon-abandon';

async function prepare(t: ExecutionContext) {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  return {file: join(folder, 'file'), inbox: join(folder, 'inbox')};
}

test('a listener tells where to go with which code, and no ticket', async (t) => {
  const {inbox} = await prepare(t);
  const {process: receiver, address, code} = await showCode(t, ['receive', inbox]);
  receiver.kill('SIGINT');

  const {code: exitCode, stdout, stderr} = await receiver.ended();
  t.is(exitCode, 0);
  t.is(stdout, `${address} ${code}\n`);
  t.true(
    stderr.includes(
      `\n  npx hawser send <files> --to ${address} --code\nand, when it asks for the code:\n  ${code}\n`,
    ),
    stderr,
  );
  t.false(stderr.includes('hawser1'));
});

linux('the code is asked for on a terminal', async (t) => {
  const {file, inbox} = await prepare(t);
  const {address, code} = await showCode(t, ['receive', inbox, '--once']);

  const sender = hawserOnTerminal(t, ['send', file, '--to', address, '--code']);
  await sender.said('stdout', /Code: /);
  sender.type(`${code.replaceAll('-', ' ')}\n`);

  const {code: exitCode, stdout} = await sender.ended();
  t.is(exitCode, 0, stdout);
  t.deepEqual(await listDelivered(inbox), ['file']);
});

linux('a word that no code has is asked for again, and costs none of the tries', async (t) => {
  const {file, inbox} = await prepare(t);
  const {address, code} = await showCode(t, ['receive', inbox, '--once']);
  const sender = hawserOnTerminal(t, ['send', file, '--to', address, '--code']);

  await sender.said('stdout', /Code: /);
  sender.type('window tiral vacant\n');
  await sender.said('stdout', /no code has the word "tiral": did you mean "trial"\?\r\nCode: /);
  sender.type('xylophone\u009b\n');
  await sender.said('stdout', /no code has the word "xylophone": check how it is spelt\r\nCode: /);
  sender.type('trial vacant\n');
  await sender.said('stdout', /a code has 3 words[^]+Code: /);
  sender.type(`${code}\n`);

  const {code: exitCode, stdout} = await sender.ended();
  t.is(exitCode, 0, stdout);
  t.deepEqual(await listDelivered(inbox), ['file']);
});

linux('what is asked for is not among the events of --json', async (t) => {
  const {file, inbox} = await prepare(t);
  const events = `${inbox}.events`;
  for (const [flags, prompt] of [
    [['--to', '127.0.0.1:9', '--code'], /Code: /],
    [[], /Ticket: /],
  ] as const) {
    const line = commandLine(['send', file, ...flags, '--json']);
    const sender = onTerminal(t, `${line} > ${events}`);
    await sender.said('stdout', prompt);
    sender.type('window trial vacant\n');

    const {stdout} = await sender.ended();
    t.notRegex(stdout, /"event"/);
    const [failed, ...others] = parseEvents(await readFile(events, 'utf8')).filter(
      ({event}) => event !== 'progress',
    );
    t.is(failed?.['event'], 'error');
    t.deepEqual(others, []);
  }
});

linux('Ctrl-C where the code is asked for is 130, and no answer is wrong usage', async (t) => {
  for (const [key, code] of [
    ['\u0003', 130],
    ['\u0004', 2],
  ] as const) {
    const sender = hawserOnTerminal(t, ['get', '127.0.0.1:9', '--code']);
    await sender.said('stdout', /Code: /);
    sender.type(key);
    t.is((await sender.ended()).code, code);
  }
});

test('the code comes from HAWSER_CODE, or from standard input, in both directions', async (t) => {
  const {file, inbox} = await prepare(t);
  const receiver = await showCode(t, ['receive', inbox, '--once']);
  const env = {HAWSER_CODE: receiver.code};
  const sent = await run(t, ['send', file, '--to', receiver.address, '--code'], env);
  t.is(sent.code, 0, sent.stderr);
  t.is((await receiver.process.ended()).code, 0);

  const sharer = await showCode(t, ['share', file, '--once']);
  const getter = hawser(t, ['get', sharer.address, '--code', join(inbox, 'got')]);
  getter.type(`${sharer.code}\n`);
  const {code, stderr} = await getter.ended();
  t.is(code, 0, stderr);
  t.regex(stderr, /reading the code from standard input/);
  t.deepEqual(await listDelivered(join(inbox, 'got')), ['file']);
});

test('a wrong code is 4, and the third shows another, with a notice', async (t) => {
  const {file, inbox} = await prepare(t);
  const {process: receiver, address, code} = await showCode(t, ['receive', inbox, '--quiet']);

  for (let guess = 1; guess <= 3; guess++) {
    const guessed = await run(t, ['send', file, '--to', address, '--code'], {HAWSER_CODE: wrong});
    t.is(guessed.code, 4, guessed.stderr);
    t.regex(
      guessed.stderr,
      /the code is wrong.+\n {2}Ask for the code that is shown there now.+ a wrong one costs one/,
    );
    t.notRegex(guessed.stderr, /ticket|same command|already delivered/);
  }

  const next = await receiver.said('stdout', /\n\S+ (\S+)\n/);
  t.not(next, code);
  t.regex(
    await receiver.said('stderr', /.*\n/),
    /^Security notice: somebody came with a wrong code three times/,
  );
  t.is((await run(t, ['send', file, '--to', address, '--code'], {HAWSER_CODE: code})).code, 4);
  t.is((await run(t, ['send', file, '--to', address, '--code'], {HAWSER_CODE: next})).code, 0);
});

test('with --json codes are events, and no ticket is said', async (t) => {
  const {file, inbox} = await prepare(t);
  const receiver = hawser(t, [
    'receive',
    inbox,
    '--code',
    '--json',
    '--bind',
    '127.0.0.1',
    '--port',
    '0',
    '--once',
  ]);
  const code = await receiver.said('stdout', /"code":"([a-z-]+)"/);
  const address = await receiver.said('stdout', /"addresses":\["([^"]+)"\]\}\n/);
  t.is((await run(t, ['send', file, '--to', address, '--code'], {HAWSER_CODE: code})).code, 0);

  const {stdout} = await receiver.ended();
  const [listening, first, ...more] = parseEvents(stdout).filter(
    ({event}) => event === 'listening' || event === 'code',
  );
  t.is(listening?.['ticket'], null);
  t.deepEqual(first, {v: 1, event: 'code', code, reason: 'first', addresses: [address]});
  t.deepEqual(
    more.map(({reason}) => reason),
    ['used'],
  );
});

linux(
  'who is interrupted is told that it takes a new code to go on, and not shown the old one',
  async (t) => {
    const {file, inbox} = await prepare(t);
    writeSparse(`${file}.large`, 2 ** 32);
    const {address, code} = await showCode(t, ['receive', inbox]);
    const args = ['send', `${file}.large`, '--to', address, '--code', '--limit', '5M'];
    const sender = hawserOnTerminal(t, args, {HAWSER_CODE: code});
    await sender.said('stdout', /files {2}[1-9]/);
    sender.type('\u0003');

    const {code: exitCode, stdout} = await sender.ended();
    t.is(exitCode, 130, stdout);
    const lines = `Continue, with the new code that is shown there, by:\r\n  hawser ${args.join(' ')}\r\n`;
    t.true(stdout.includes(lines), stdout.slice(-500));
    t.false(stdout.includes(code));
    t.is((await run(t, args, {HAWSER_CODE: code})).code, 4);
  },
);

test('who came by a code hears nothing of tickets', async (t) => {
  const {file, inbox} = await prepare(t);
  const env = {HAWSER_CONFIG_DIR: `${inbox}.config`};
  writeSparse(`${file}.large`, 2 ** 32);
  const {process: receiver, address, code} = await showCode(t, ['receive', inbox], env);
  const args = ['send', `${file}.large`, '--to', address, '--code', '--limit', '20M'];
  const sender = hawser(t, args, {HAWSER_CODE: code});
  // The next one shows that this one is in.
  await receiver.said('stdout', /\n\S+ \S+\n/);
  await sender.said('stderr', /Connected to/);
  receiver.kill('SIGKILL');
  await receiver.ended();

  const refused = await run(t, args, {HAWSER_CODE: wrong});
  t.is(refused.code, 3, refused.stderr);
  t.regex(refused.stderr, /Check that the other side still runs, and that this is the address/);
  t.notRegex(refused.stderr, /ticket/);
  const again = [
    'receive',
    inbox,
    '--code',
    '--bind',
    '127.0.0.1',
    '--port',
    address.split(':').at(-1) ?? '',
  ];
  await hawser(t, again, env).said('stdout', /\n/);
  const {code: exitCode, stderr} = await sender.ended();
  t.is(exitCode, 4, stderr);
  t.regex(
    stderr,
    /hawser: the other side does not expect this one again: .+; it takes a new code to go on\n/,
  );
  t.notRegex(stderr, /ticket/);
});

test('a code without an address, or with a ticket, is wrong usage', async (t) => {
  for (const args of [
    ['send', 'package.json', '--code'],
    ['send', 'package.json', '--code', '--to', 'hawser1abc'],
    ['get', '--code'],
    ['receive', '--code', '--ticket-file', 'ticket'],
    ['receive', '--code', '--uses', '1'],
    ['share', 'file', '--code', '--expires', '1h'],
  ]) {
    t.is((await run(t, args, {HAWSER_CODE: wrong})).code, 2, args.join(' '));
  }
  const mistyped = await run(t, ['send', 'package.json', '--code', '--to', '127.0.0.1:9'], {
    HAWSER_CODE: 'abandon able abut',
  });
  t.is(mistyped.code, 2);
  t.regex(mistyped.stderr, /no code has the word "abut": did you mean "about"/);
});
