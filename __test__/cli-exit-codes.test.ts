import {once} from 'node:events';
import {createServer} from 'node:net';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {listenOn, run} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {startReceiver} from './helpers/loopback.ts';
import {writeFiles} from './helpers/tree.ts';

/** Runs `hawser`, which must end with this code and an explanation that has no stack trace. */
async function fails(
  t: ExecutionContext,
  code: number,
  args: readonly string[],
  explanation: RegExp,
): Promise<void> {
  const result = await run(t, args);
  t.is(result.code, code, result.stderr);
  t.is(result.stdout, '');
  t.regex(result.stderr, explanation);
  t.notRegex(result.stderr, /^ +at /m);
}

test('wrong usage is 2', async (t) => {
  await fails(t, 2, [], /Usage: hawser/);
  await fails(t, 2, ['recieve'], /Did you mean receive\?/);
  await fails(t, 2, ['send'], /missing required argument/);
  await fails(t, 2, ['send', 'package.json'], /no ticket/);
  await fails(t, 2, ['get'], /no ticket/);
  await fails(t, 2, ['send', 'file', '--to', 'x', '--lanes', '17'], /from 1 to 16/);
  await fails(t, 2, ['receive', '--port', 'http'], /from 0 to 65535/);
  await fails(t, 2, ['receive', '--bind', 'localhost'], /not an IP address/);
  await fails(t, 2, ['receive', 'hawser1aaaa'], /that is a ticket, .+ fetch with "hawser get TICKET"/);
  const both = await run(t, ['receive', '--json', '--quiet']);
  t.is(both.code, 2);
  t.regex(both.stderr, /cannot be used with/);
  await fails(t, 2, ['peers', 'rm', 'alice'], /its commands are "name" and "forget"/);
});

test('a mistyped ticket is 2', async (t) => {
  const {ticket} = await startReceiver(t, makeFolder(t));

  await fails(t, 2, ['send', 'package.json', '--to', ticket.slice(0, -1)], /Copy the whole ticket/);
  await fails(t, 2, ['get', 'hawser1nonsense'], /Copy the whole ticket/);
});

test('a ticket for the other direction is 2', async (t) => {
  const {ticket} = await startReceiver(t, makeFolder(t));

  await fails(t, 2, ['get', ticket], /"hawser send"/);
});

test('a refused connection is 3', async (t) => {
  const receiver = await startReceiver(t, makeFolder(t));
  await receiver.close();

  await fails(
    t,
    3,
    ['send', 'package.json', '--to', receiver.ticket],
    /cannot connect to 127\.0\.0\.1:\d+.*\n.*still runs/,
  );
});

test('the ticket of an earlier run is 4', async (t) => {
  const folder = makeFolder(t);
  const earlier = await startReceiver(t, folder);
  await earlier.close();
  await listenOn(t, ['receive', folder], String(earlier.port));

  await fails(
    t,
    4,
    ['send', 'package.json', '--to', earlier.ticket],
    /ticket.*\n.*With a ticket: ask for a new one/,
  );
});

test('a port that is taken is 7 when it was asked for', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const {port} = server.address() as {port: number};

  await fails(
    t,
    7,
    ['receive', makeFolder(t), '--bind', '127.0.0.1', '--port', String(port)],
    /in use.*\n.*another --port/,
  );
});

test('a target folder that cannot be one is 7', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'in the way'});

  await fails(t, 7, ['receive', join(folder, 'file'), '--bind', '127.0.0.1'], /file/);
  await fails(t, 7, ['receive', join(folder, 'file/inbox'), '--bind', '127.0.0.1'], /file/);
});

test('a path that does not exist is 8, with the others delivered, and 7 where there are none', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'there'});
  const {ticket} = await startReceiver(t, join(folder, 'inbox'));

  await fails(
    t,
    8,
    ['send', join(folder, 'gone'), join(folder, 'file'), '--to', ticket],
    /failed: gone: .+\nSent 1 file/,
  );
  await fails(t, 7, ['send', join(folder, 'gone'), '--to', ticket], /gone": it is not there/);
});
