import {join} from 'node:path';
import test from 'ava';
import {hawserOnTerminal, listenOn} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {assertSameBytes, writeFiles, writeSparse} from './helpers/tree.ts';

/** The program `script` of this kind is on every Linux. */
const linux = process.platform === 'linux' ? test : test.skip;

linux('a ticket that is nowhere else is asked for on a terminal', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'typed'});
  const {ticket} = await listenOn(t, ['receive', join(folder, 'inbox')]);

  const sender = hawserOnTerminal(t, ['send', join(folder, 'file')]);
  await sender.said('stdout', /Ticket: /);
  sender.type(`${ticket}\n`);

  const {code, stdout} = await sender.ended();
  t.is(code, 0, stdout);
  assertSameBytes(t, join(folder, 'inbox/file'), join(folder, 'file'));
});

linux('Ctrl-C at the prompt is 130, and no answer is wrong usage', async (t) => {
  for (const [key, code] of [
    ['\u0003', 130],
    ['\u0004', 2],
  ] as const) {
    const sender = hawserOnTerminal(t, ['get']);
    await sender.said('stdout', /Ticket: /);
    sender.type(key);
    t.is((await sender.ended()).code, code);
  }
});

linux('Ctrl-C on a terminal shows the command that continues, as it was run', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'endless'), 2 ** 32);
  const {ticket} = await listenOn(t, ['receive', join(folder, 'inbox')]);

  for (const [npm, command] of [
    [undefined, 'hawser'],
    ['exec', 'npx hawser'],
  ] as const) {
    const args = ['send', join(folder, 'endless'), '--to', ticket, '--limit', '5M'];
    const sender = hawserOnTerminal(t, args, {npm_command: npm});
    await sender.said('stdout', /files {2}[1-9]/);
    sender.type('\u0003');
    const {code, stdout} = await sender.ended();
    t.is(code, 130, stdout);
    t.true(stdout.includes(`Continue with:\r\n  ${command} ${args.join(' ')}\r\n`), stdout.slice(-500));
  }
});

linux('a terminal shows one live line, and takes it away at the end', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'large'), 2 ** 28);
  const {ticket} = await listenOn(t, ['receive', join(folder, 'inbox')]);

  const {code, stdout} = await hawserOnTerminal(t, ['send', join(folder, 'large'), '--to', ticket]).ended();

  t.is(code, 0, stdout);
  t.regex(stdout, /\d+% {2}[01]\/1 files {2}.+\/268 MB {2}.+\/s {2}ETA \d+:\d\d/);
  const [, summary] = stdout.split('Sent 1 file, 268 MB in ');
  t.false(summary?.includes('%'));
});

linux('a terminal gets colours, and with NO_COLOR none', async (t) => {
  for (const [env, label] of [
    [{}, '\u001b[31mhawser:\u001b[39m '],
    [{NO_COLOR: '1'}, 'hawser: '],
  ] as const) {
    const {stdout} = await hawserOnTerminal(t, ['send', 'file', '--to', 'nonsense'], env).ended();
    t.true(stdout.startsWith(label), stdout);
  }
});
