import {createServer} from 'node:net';
import {once} from 'node:events';
import {join} from 'node:path';
import vm from 'node:vm';
import test from 'ava';
import {get, HawserError, isHawserError, receive, send, share} from '../src/index.ts';
import {makeFolder} from './helpers/folder.ts';
import {loopback, startReceiver} from './helpers/loopback.ts';
import {writeFiles} from './helpers/tree.ts';

/** What a caller without types may pass. */
const wrong = (value: unknown): never => value as never;

test('options of the wrong type or range are INVALID_OPTION', async (t) => {
  const folder = makeFolder(t);
  const {ticket} = await startReceiver(t, folder);
  const directory = folder;

  const calls: Record<string, () => unknown> = {
    'no paths': () => send([], {to: ticket}),
    'paths that are no array': () => send(wrong('file'), {to: ticket}),
    'an empty path': () => send([''], {to: ticket}),
    'a path with a zero byte': () => send(['a\0b'], {to: ticket}),
    'an URL that is no file': () => send([new URL('https://example.org')], {to: ticket}),
    'a number as a path': () => send([wrong(7)], {to: ticket}),
    'no lanes': () => send([folder], {to: ticket, lanes: 0}),
    'too many lanes': () => send([folder], {to: ticket, lanes: 17}),
    'half a lane': () => send([folder], {to: ticket, lanes: 1.5}),
    'a ticket that is no text': () => send([folder], {to: wrong(7)}),
    'a name too long': () => send([folder], {to: ticket, name: 'x'.repeat(65)}),
    'entries that are neither all nor failed': () => send([folder], {to: ticket, entries: wrong('some')}),
    'a port too high': () => receive({directory, port: 65_536, bind: loopback}),
    'a port below zero': () => receive({directory, port: -1, bind: loopback}),
    'a host name to bind': () => receive({directory, bind: ['localhost']}),
    'nothing to share': () => share([], {bind: loopback}),
  };
  for (const [what, call] of Object.entries(calls)) {
    await t.throwsAsync(async () => call(), {name: 'HawserError', code: 'INVALID_OPTION'}, what);
  }
});

test('a mistyped ticket is TICKET_INVALID before anything is dialled', async (t) => {
  const folder = makeFolder(t);
  const {ticket} = await startReceiver(t, folder);
  // The last two neighbours that differ, the other way round.
  const at = ticket.split('').findLastIndex((letter, index) => letter !== ticket[index - 1]);
  const swapped = ticket.slice(0, at - 1) + ticket.charAt(at) + ticket.charAt(at - 1) + ticket.slice(at + 1);

  for (const to of ['', 'hawser1', 'nonsense', ticket.slice(0, -1), `${ticket}a`, swapped]) {
    t.throws(() => send([folder], {to}), {name: 'HawserError', code: 'TICKET_INVALID'}, to);
  }
});

test('a ticket for the other direction is TICKET_DIRECTION', async (t) => {
  const folder = makeFolder(t);
  const receiver = await startReceiver(t, folder);
  await using sharer = await share([folder], {bind: loopback});

  t.throws(() => get(receiver.ticket, {directory: folder}), {code: 'TICKET_DIRECTION'});
  t.throws(() => send([folder], {to: sharer.ticket}), {code: 'TICKET_DIRECTION'});
});

test('a receiver that has gone is CONNECTION_REFUSED and worth another try', async (t) => {
  const folder = makeFolder(t);
  const receiver = await startReceiver(t, folder);
  await receiver.close();

  const failed = send([folder], {to: receiver.ticket}).finished();

  await t.throwsAsync(failed, {name: 'HawserError', code: 'CONNECTION_REFUSED', message: /127\.0\.0\.1/});
  const error = await failed.catch((reason: unknown) => reason);
  t.true(isHawserError(error) && error.retryable);
});

test('the ticket of an earlier receiver on the same port is AUTHENTICATION_FAILED', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'secret'});
  const earlier = await startReceiver(t, join(folder, 'inbox'));
  await earlier.close();
  await using later = await receive({directory: join(folder, 'inbox'), port: earlier.port, bind: loopback});

  const failed = send([join(folder, 'file')], {to: earlier.ticket}).finished();

  t.not(later.ticket, earlier.ticket);
  await t.throwsAsync(failed, {name: 'HawserError', code: 'AUTHENTICATION_FAILED'});
});

test('a port that is taken is PORT_IN_USE', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const {port} = server.address() as {port: number};

  await t.throwsAsync(receive({directory: makeFolder(t), port, bind: loopback}), {code: 'PORT_IN_USE'});
});

test('an address of another machine is ADDRESS_UNAVAILABLE', async (t) => {
  await t.throwsAsync(receive({directory: makeFolder(t), bind: ['203.0.113.7']}), {
    code: 'ADDRESS_UNAVAILABLE',
  });
});

test('a target that is a file, or lies in one, is an error of the receiver', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'in the way'});

  for (const directory of [join(folder, 'file'), join(folder, 'file/inbox')]) {
    await t.throwsAsync(receive({directory, bind: loopback}), {name: 'HawserError', code: 'IO'});
  }
});

test('an error of another realm or copy is recognised', (t) => {
  const foreign: unknown = vm.runInNewContext(`Object.assign(new Error('foreign'), {name: 'HawserError'})`);

  t.true(isHawserError(foreign));
  t.true(isHawserError(new HawserError('IO', 'own')));
  t.false(isHawserError(new Error('any')));
  t.false(isHawserError(undefined));
});

test('an error carries its cause', (t) => {
  const cause = new Error('underneath');

  t.is(new HawserError('IO', 'above', {cause}).cause, cause);
  t.false('cause' in new HawserError('IO', 'alone'));
});
