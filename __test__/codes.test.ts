import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {get, publicIdentity, receive, send, share, type Destination, type Listener} from '../src/index.ts';
import {makeFolder} from './helpers/folder.ts';
import {loopback} from './helpers/loopback.ts';
import {somebody} from './helpers/peers.ts';
import {listDelivered, writeFiles} from './helpers/tree.ts';

/** A code that is as good as never the one that is shown. */
const wrong = 'abandon-abandon-abandon';

/** A file, and a receiver that shows codes. */
async function prepare(t: ExecutionContext) {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const inbox = join(folder, 'inbox');
  const receiver = await receive({directory: inbox, bind: loopback, codes: true});
  t.teardown(() => receiver.close());
  return {file: join(folder, 'file'), inbox, receiver, codes: receiver.codes()};
}

function at({hosts: [host], port}: Listener): string {
  return `${host}:${port}`;
}

async function next(codes: ReturnType<Listener['codes']>) {
  const {value} = await codes.next();
  if (!value) throw new Error('there are no more codes');
  return value;
}

test('who knows the code is let in, once', async (t) => {
  const {file, inbox, receiver, codes} = await prepare(t);
  const {code, reason} = await next(codes);
  t.is(reason, 'first');
  const address = at(receiver);

  const spoken = code.toUpperCase().replaceAll('-', ' ');
  await send([file], {to: {address, code: spoken}}).finished();

  t.deepEqual(await listDelivered(inbox), ['file']);
  await t.throwsAsync(send([file], {to: {address, code}}).finished(), {
    code: 'CODE_REJECTED',
    message: /the code is wrong/,
  });
  const second = await next(codes);
  t.is(second.reason, 'used');
  t.is((await send([file], {to: {address, code: second.code}}).finished()).filesPresent, 1);
});

test('a code that leads to another key than is known at the address is a stop', async (t) => {
  const {file, inbox, receiver, codes} = await prepare(t);
  const {code} = await next(codes);
  const {publicKey, fingerprint} = publicIdentity(somebody());
  const to = {address: at(receiver), code, known: {name: 'alice', publicKey}};

  const stop = await t.throwsAsync(send([file], {to}).finished(), {code: 'KEY_CHANGED'});

  t.true(stop?.message.includes(fingerprint) && stop.message.includes('hawser peers forget alice'));
  // Nobody has come with the code yet.
  const {peer} = await send([file], {to: {...to, known: undefined}}).finished();
  t.deepEqual(await listDelivered(inbox), ['file']);
  const second = await next(codes);
  await send([file], {
    to: {...to, code: second.code, known: {name: 'alice', publicKey: peer.publicKey}},
  }).finished();
});

test('three wrong codes end the right one', async (t) => {
  const {file, receiver, codes} = await prepare(t);
  const {code} = await next(codes);
  const address = at(receiver);
  for (let guess = 1; guess <= 3; guess++)
    await t.throwsAsync(send([file], {to: {address, code: wrong}}).finished(), {code: 'CODE_REJECTED'});

  const shown = await next(codes);

  t.is(shown.reason, 'guessed');
  t.not(shown.code, code);
  await t.throwsAsync(send([file], {to: {address, code}}).finished(), {code: 'CODE_REJECTED'});
  await send([file], {to: {address, code: shown.code}}).finished();
});

test('revoking ends the code, too', async (t) => {
  const {file, receiver, codes} = await prepare(t);
  const {code} = await next(codes);
  await receiver.revoke();
  t.is((await next(codes)).reason, 'revoked');
  await t.throwsAsync(send([file], {to: {address: at(receiver), code}}).finished(), {code: 'CODE_REJECTED'});
});

test('a sharer shows codes, too, and each loop over them is told of the next', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  await using sharer = await share([join(folder, 'file')], {bind: loopback, codes: true});
  const {code} = await next(sharer.codes());
  const waiting = [sharer.codes(), sharer.codes()].map((codes) => codes.next());

  await get({address: at(sharer), code}, {directory: join(folder, 'inbox')}).finished();

  t.deepEqual(await listDelivered(join(folder, 'inbox')), ['file']);
  const [one, other] = await Promise.all(waiting);
  t.like(one?.value, {reason: 'used'});
  t.deepEqual(one, other);
});

test('the codes end with the listener, and there are none that nobody asked for', async (t) => {
  const {receiver, codes} = await prepare(t);
  await next(codes);
  const last = codes.next();
  await receiver.close();
  t.deepEqual(await last, {done: true, value: undefined});

  await using other = await receive({directory: makeFolder(t), bind: loopback});
  t.deepEqual(await other.codes().next(), {done: true, value: undefined});
});

test('a destination is a ticket, or an address and a key or a code', (t) => {
  const folder = makeFolder(t);
  const publicKey = 'a'.repeat(52);
  const destinations: readonly unknown[] = [
    undefined,
    null,
    7,
    {},
    {code: wrong},
    {address: '127.0.0.1:7'},
    {address: '127.0.0.1:7', code: 7},
    {address: '127.0.0.1:7', code: wrong, publicKey},
    {address: '127.0.0.1:7', code: 'abandon-abandon'},
    {address: '127.0.0.1:7', code: 'abandon-abandon-abandonned'},
    ...['', ':', ':7', '127.0.0.1:', '127.0.0.1:0', '127.0.0.1:65536', '[::1', '[::1]7', 'a b', 'a:b'].map(
      (address) => ({address, code: wrong}),
    ),
  ];
  for (const destination of destinations) {
    const to = destination as Destination;
    t.throws(() => send([folder], {to}), {code: 'INVALID_OPTION'}, JSON.stringify(to));
    t.throws(() => get(to, {directory: folder}), {code: 'INVALID_OPTION'}, JSON.stringify(to));
  }
});

test('an address without a port has that which the command listens on', async (t) => {
  const folder = makeFolder(t);
  for (const [address, dialled] of [
    ['127.66.55.44', '127.66.55.44:7707'],
    ['127.66.55.44:9', '127.66.55.44:9'],
    ['::ffff:127.66.55.44', ':7707'],
    ['[::ffff:127.66.55.44]:9', ':9'],
    ['[::ffff:127.66.55.44]', ':7707'],
  ] as const) {
    const {message} = await t.throwsAsync(send([folder], {to: {address, code: wrong}}).finished());
    t.true(message.includes(dialled), message);
  }
});
