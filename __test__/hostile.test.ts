import {execFileSync, spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {existsSync} from 'node:fs';
import {readFile} from 'node:fs/promises';
import {connect} from 'node:net';
import {join} from 'node:path';
import {setImmediate} from 'node:timers/promises';
import test from 'ava';
import {send} from '../src/index.ts';
import {commandLine, listenOn, run} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {startReceiver} from './helpers/loopback.ts';
import {assertSameBytes, listDelivered, pseudoRandom, writeFiles, writeSparse} from './helpers/tree.ts';

const unix = process.platform === 'win32' ? test.skip : test;

test('garbage on the port does not disturb a transfer that runs', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'large'), 2 ** 29);
  const receiver = await startReceiver(t, join(folder, 'inbox'));

  const transfer = send([join(folder, 'large')], {to: receiver.ticket});
  const greetings = [pseudoRandom(100_000), 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', ''];
  const strangers = greetings.map((greeting) => {
    const socket = connect(receiver.port, '127.0.0.1').on('error', () => {});
    socket.write(greeting);
    return socket;
  });
  t.teardown(() => strangers.forEach((socket) => socket.destroy()));
  const report = await transfer.finished();

  t.is(report.bytes, 2 ** 29);
  assertSameBytes(t, join(folder, 'inbox/large'), join(folder, 'large'));
});

test('a stranger who sends garbage is hung up on', async (t) => {
  const receiver = await startReceiver(t, makeFolder(t));
  const socket = connect(receiver.port, '127.0.0.1');
  socket.resume().write(pseudoRandom(100_000));

  // In order, or by a reset, because it had more to say.
  await t.notThrowsAsync(
    once(socket, 'close').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET') throw error;
    }),
  );
});

unix('terminal escapes in the name of a file are shown escaped', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const fifo = join(folder, '\u001b[2Jevil\u202efifo');
  execFileSync('mkfifo', [fifo]);
  const {process: receiver, ticket} = await listenOn(t, ['receive', join(folder, 'inbox'), '--once']);

  const sent = await run(t, ['send', fifo, join(folder, 'file'), '--to', ticket]);

  for (const {code, stderr} of [sent, await receiver.ended()]) {
    t.is(code, 8);
    t.true(stderr.includes('failed: \\u{1b}[2Jevil\\u{202e}fifo: '), stderr);
    t.false(stderr.includes('\u001b') || stderr.includes('\u202e'));
  }
});

test('terminal escapes in the name of a peer are shown escaped', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const name = '(calls itself "mallory\\u{1b}[2J",';
  // Where it can be remembered, under a name that is made of the label, and where not.
  for (const config of ['config', 'file/config']) {
    const env = {HAWSER_CONFIG_DIR: join(folder, config)};
    const {process: receiver, ticket} = await listenOn(t, ['receive', folder, '--once'], '0', env);

    await send([join(folder, 'file')], {to: ticket, name: 'mallory\u001b[2J'}).finished();

    const {stderr} = await receiver.ended();
    t.true(stderr.includes(name), stderr);
    t.false(stderr.includes('\u001b'));
  }
});

const linux = process.platform === 'linux' ? test : test.skip;

linux('D19: a log on a disk that is full costs nothing', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const {ticket} = await listenOn(t, ['receive', join(folder, 'inbox')]);
  for (const flags of [[], ['--json']]) {
    const line = commandLine(['send', join(folder, 'file'), '--to', ticket, ...flags]);
    const env = {...process.env, HAWSER_CONFIG_DIR: join(folder, 'config')};
    const {status} = spawnSync('sh', ['-c', `${line} >/dev/full 2>/dev/full`], {env});
    t.is(status, 0);
  }
  t.deepEqual(await listDelivered(join(folder, 'inbox')), ['file']);

  const ticketFile = join(folder, 'ticket');
  const args = [
    'receive',
    join(folder, 'full'),
    '--bind',
    '127.0.0.1',
    '--port',
    '0',
    '--ticket-file',
    ticketFile,
  ];
  const env = {...process.env, HAWSER_CONFIG_DIR: join(folder, 'config')};
  const receiver = spawn('sh', ['-c', `${commandLine([...args, '--once'])} >/dev/full 2>/dev/full`], {env});
  t.teardown(() => receiver.kill());
  const ended = once(receiver, 'exit');
  while (!existsSync(ticketFile)) await setImmediate();
  const {code, stderr} = await run(t, [
    'send',
    join(folder, 'file'),
    '--to',
    (await readFile(ticketFile, 'utf8')).trim(),
  ]);
  t.is(code, 0, stderr);
  t.deepEqual(await ended, [0, null]);
  t.deepEqual(await listDelivered(join(folder, 'full')), ['file']);
});
