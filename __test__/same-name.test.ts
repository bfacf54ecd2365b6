import {generateKeyPairSync, type KeyObject} from 'node:crypto';
import {readFileSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {receive} from '../src/index.ts';
import {ended, push} from './helpers/attempt.ts';
import {listenOn, run} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {loopback} from './helpers/loopback.ts';
import {startProxied} from './helpers/proxy.ts';
import {assertSameBytes, listDelivered, pseudoRandom, writeFiles, writeSparse} from './helpers/tree.ts';

const bytes = 2 ** 21;

interface Pair {
  readonly identities: readonly [KeyObject, KeyObject];
  /** What each of the two sends by the same name. */
  readonly contents: readonly [Buffer, Buffer];
  /** The names that there are in the end. */
  readonly names: readonly string[];
}

/** Two senders, the second of which begins and ends while the first is in the middle of its file. */
async function sendBoth(t: ExecutionContext, {identities, contents, names}: Pair): Promise<void> {
  const folder = makeFolder(t);
  await writeFiles(folder, {'one/file': contents[0], 'other/file': contents[1]});
  const [one, other] = ['one', 'other'].map((name) => ({
    tree: join(folder, name, 'file'),
    inbox: join(folder, 'inbox'),
  }));
  if (!one || !other) return t.fail();
  const {listener, proxy} = await startProxied(t, push, one);

  proxy.holdEachAfter(bytes / 2);
  const slow = ended(push.dial(one, listener.ticket, {identity: identities[0], lanes: 1}));
  await proxy.until(() => proxy.isHolding('up'));
  const [line] = proxy.lines;
  proxy.holdEachAfter(Infinity);
  const fast = await ended(push.dial(other, listener.ticket, {identity: identities[1], lanes: 1}));
  line?.flow();
  const late = await slow;

  for (const {report, error} of [fast, late]) {
    t.deepEqual(report?.failed, [], error?.message);
  }
  t.deepEqual(await listDelivered(one.inbox), names);
  const found = names.map((name) => readFileSync(join(one.inbox, name)));
  // The one that was done first has the name.
  t.true(found[0]?.equals(contents[1]));
  if (found.length > 1) t.true(found[1]?.equals(contents[0]));
  await listener.close();
  t.false(readdirSync(join(one.inbox, '.hawser')).includes('partials'), 'a part is left');
}

const [me, you] = [generateKeyPairSync('x25519').privateKey, generateKeyPairSync('x25519').privateKey];
const [first, second] = [pseudoRandom(bytes, 'first'), pseudoRandom(bytes, 'second')];

for (const [who, identities] of [
  ['one person', [me, me]],
  ['two people', [me, you]],
] as const) {
  test(`${who} may send the same file twice at once`, (t) =>
    sendBoth(t, {identities, contents: [first, first], names: ['file']}));

  test(`${who} may send two files of one name at once`, (t) =>
    sendBoth(t, {identities, contents: [first, second], names: ['file', 'file (2)']}));
}

test('a second receiver in a folder says that it is in use, and the first goes on', async (t) => {
  const folder = makeFolder(t);
  const inbox = join(folder, 'inbox');
  writeSparse(join(folder, 'large'), 2 ** 26);
  const {process: receiver, ticket} = await listenOn(t, [
    'receive',
    inbox,
    '--once',
    '--json',
    '--limit',
    '20M',
  ]);
  const sent = run(t, ['send', join(folder, 'large'), '--to', ticket]);
  await receiver.said('stdout', /"event":"progress".*"bytesDone":[1-9]/);

  const late = await run(t, ['receive', inbox, '--bind', '127.0.0.1', '--port', '0', '--json']);
  t.is(late.code, 7);
  t.regex(late.stdout, /"code":"FOLDER_IN_USE"/);
  await t.throwsAsync(receive({directory: inbox, bind: loopback}), {code: 'FOLDER_IN_USE'});

  t.is((await sent).code, 0);
  t.is((await receiver.ended()).code, 0);
  t.deepEqual(await listDelivered(inbox), ['large']);
  assertSameBytes(t, join(inbox, 'large'), join(folder, 'large'));
});
