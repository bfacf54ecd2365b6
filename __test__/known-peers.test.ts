import {generateKeyPairSync} from 'node:crypto';
import {existsSync} from 'node:fs';
import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import test from 'ava';
import {KnownPeers, publicIdentity, receive, send, type Peer} from '../src/index.ts';
import {makeFolder} from './helpers/folder.ts';
import {loopback, startReceiver} from './helpers/loopback.ts';
import {somebody} from './helpers/peers.ts';
import {listDelivered, writeFiles} from './helpers/tree.ts';

/** What a caller without types may pass. */
const wrong = (value: unknown): never => value as never;

/** A peer that has proved a key of its own. */
function peer(name: string): Peer {
  const {publicKey, fingerprint} = publicIdentity(somebody());
  return {address: '192.0.2.9:50123', publicKey, fingerprint, name};
}

test('a public identity is what the peer sees', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const [ours, theirs] = [somebody(), somebody()];
  await using receiver = await receive({directory: join(folder, 'inbox'), bind: loopback, identity: theirs});
  const transfers = receiver[Symbol.asyncIterator]();

  const {peer: listener} = await send([join(folder, 'file')], {
    to: receiver.ticket,
    identity: ours,
  }).finished();
  const dialler = (await transfers.next()).value?.peer;

  const {publicKey, fingerprint} = publicIdentity(theirs);
  t.like(listener, {publicKey, fingerprint});
  t.like(dialler, {publicKey: publicIdentity(ours).publicKey});
});

test('the words say what the fingerprint says', async (t) => {
  const list = (await readFile('native/protocol/src/words.txt', 'utf8')).split(/\r?\n/);
  for (let times = 0; times < 20; times++) {
    const {publicKey, fingerprint, words} = publicIdentity(somebody());
    t.regex(publicKey, /^[a-z2-7]{52}$/);
    const letters = Array.from(fingerprint.replaceAll('-', ''), (letter) => base32.indexOf(letter));
    const numbers = words.split(' ').map((word) => list.indexOf(word));
    t.is(letters.length, 16);
    t.is(numbers.length, 8);
    t.is(bits(numbers, 11).slice(0, 80), bits(letters, 5));
  }
});

const base32 = 'abcdefghijklmnopqrstuvwxyz234567';

function bits(numbers: readonly number[], width: number): string {
  return numbers.map((number) => number.toString(2).padStart(width, '0')).join('');
}

test('only an X25519 private key has a public identity', (t) => {
  const {privateKey, publicKey} = generateKeyPairSync('ed25519');
  const half = generateKeyPairSync('x25519').publicKey;
  for (const key of [privateKey, publicKey, half, wrong(undefined), wrong({})]) {
    t.throws(() => publicIdentity(key), {name: 'HawserError', code: 'INVALID_OPTION'});
  }
});

test('known peers are remembered, named and forgotten', async (t) => {
  const file = join(makeFolder(t), 'peers');
  const known = new KnownPeers(file);
  t.deepEqual(await known.list(), []);
  const [vm, other] = [peer('vm'), peer('VM')];

  const first = await known.remember(vm);
  const second = await known.remember(other);

  t.like(first, {isNew: true, peer: {name: 'vm', named: false, publicKey: vm.publicKey, address: undefined}});
  t.regex(first.peer.lastSeen, /^\d{4}-\d\d-\d\d$/);
  t.is(second.peer.name, 'VM-2');
  t.like(await known.remember({...vm, name: 'other'}), {isNew: false, peer: first.peer});
  t.like(await known.name(vm.fingerprint, 'nas'), {name: 'nas', named: true});
  t.deepEqual(
    (await known.list()).map(({name}) => name),
    ['nas', 'VM-2'],
  );
  t.like(await known.forget(other.publicKey), {name: 'VM-2'});
  await t.throwsAsync(known.forget('VM-2'), {name: 'HawserError', code: 'INVALID_OPTION'});
  t.is((await known.list()).length, 1);
});

test('an address is remembered from the ticket that led there, and then the ticket of another key is told', async (t) => {
  const folder = makeFolder(t);
  const known = new KnownPeers(join(folder, 'peers'));
  const options = {directory: folder, bind: loopback, advertise: ['192.0.2.9', '127.0.0.1']};
  const first = await receive({...options, identity: somebody()});
  const {ticket, port} = first;
  await first.close();

  const {peer: remembered} = await known.remember(
    {...peer('vm'), address: `192.0.2.9:${port}`},
    {dialled: ticket},
  );

  t.is(remembered.address, `192.0.2.9:${port}`);
  const changed = {name: 'HawserError', code: 'KEY_CHANGED'};
  const {message} = await t.throwsAsync(known.check(ticket), changed);
  t.true(message.includes(remembered.fingerprint), message);
  await using elsewhere = await receive({...options, identity: somebody()});
  await known.check(elsewhere.ticket);
  await known.forget('vm');
  await known.check(ticket);
});

test('a name that is reserved for a key lets no other in', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const [alice, mallory] = [somebody(), somebody()];
  const reservedNames = [{name: 'alice', publicKey: publicIdentity(alice).publicKey}];
  await using receiver = await receive({directory: join(folder, 'inbox'), bind: loopback, reservedNames});
  const transfers = receiver[Symbol.asyncIterator]();
  const as = async (identity: typeof alice, name: string) => {
    const sent = send([join(folder, 'file')], {to: receiver.ticket, identity, name});
    const {value: received} = await transfers.next();
    return {sent: sent.finished(), received};
  };

  const refused = await as(mallory, 'Alice');
  await t.throwsAsync(refused.sent, {code: 'REFUSED'});
  await t.throwsAsync(async () => refused.received?.finished(), {code: 'KEY_CHANGED'});
  t.is(refused.received?.peer, undefined);
  t.deepEqual(await listDelivered(join(folder, 'inbox')), []);

  const {sent, received} = await as(alice, 'alice');
  await sent;
  t.is((await received?.finished())?.peer.name, 'alice');
});

test('a peer is found by the address at which it was dialled', async (t) => {
  const known = new KnownPeers(join(makeFolder(t), 'known'));
  const {publicKey, ...alice} = peer('alice');
  t.is(await known.at('example.org'), undefined);
  await known.remember({...alice, publicKey}, {dialled: {address: 'Example.org', publicKey}});
  for (const address of ['example.org', 'EXAMPLE.ORG:7707', 'example.org.'])
    t.is((await known.at(address))?.name, 'alice');
  for (const address of ['example.org:7708', 'example.com']) t.is(await known.at(address), undefined);
  for (const [host, ...others] of [
    ['192.0.2.7', '::ffff:192.0.2.7', '[::FFFF:192.0.2.7]:7707'],
    ['[2001:db8::7]', '2001:DB8:0::7', '[2001:db8:0:0::7]:7707'],
  ] as const) {
    const address = `${host}:7707`;
    const bob = {...peer(host), address};
    await known.remember(bob, {dialled: {address, publicKey: bob.publicKey}});
    for (const other of others) t.is((await known.at(other))?.publicKey, bob.publicKey, other);
  }
  await t.throwsAsync(known.at('no:address'), {code: 'INVALID_OPTION'});
});

test('what is no name, no key and no list is told, and stays', async (t) => {
  const folder = makeFolder(t);
  const file = join(folder, 'peers');
  const known = new KnownPeers(file);
  const {ticket} = await startReceiver(t, folder);
  const {publicKey} = publicIdentity(somebody());
  const directory = folder;

  const calls: Record<string, () => unknown> = {
    'an empty path': () => new KnownPeers(''),
    'a peer that is no text': () => known.forget(wrong(7)),
    'a name that is no text': () => known.name('a', wrong(undefined)),
    'a ticket that is no text': () => known.check(wrong({})),
    'a key that is none': () => known.remember({...peer('a'), publicKey: 'k3vq'}),
    'an address that is none': () => known.remember({...peer('a'), address: 'example.org'}),
    'a reserved name that is none': () => receive({directory, reservedNames: [{name: 'a b', publicKey}]}),
    'a reserved key that is none': () => receive({directory, reservedNames: [{name: 'a', publicKey: 'x'}]}),
  };
  for (const [what, call] of Object.entries(calls)) {
    await t.throwsAsync(async () => call(), {name: 'HawserError', code: 'INVALID_OPTION'}, what);
  }
  await t.throwsAsync(known.check('hawser1x'), {code: 'TICKET_INVALID'});
  t.false(existsSync(file));

  await writeFile(file, 'hawser known peers 2\n');
  for (const call of [known.list(), known.check(ticket), known.remember(peer('a')), known.forget('a')]) {
    await t.throwsAsync(call, {code: 'IO', message: /peers cannot be read, .+ line 1: another version/});
  }
  t.is(await readFile(file, 'utf8'), 'hawser known peers 2\n');
  const nowhere = new KnownPeers(join(folder, 'none/peers'));
  t.deepEqual(await nowhere.list(), []);
  await t.throwsAsync(nowhere.remember(peer('a')), {code: 'NOT_FOUND'});
});
