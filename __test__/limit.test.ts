import {join} from 'node:path';
import test from 'ava';
import {get, receive, send, share, type Transfer} from '../src/index.ts';
import {listenOn, run} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {loopback, startReceiver} from './helpers/loopback.ts';
import {assertSameBytes, pseudoRandom, writeFiles} from './helpers/tree.ts';

/** The lowest there is: at this one, what the tests move would take an hour. */
const lowest = 10_000;
const largeBytes = 2 ** 25;

/** What a caller without types may pass. */
const wrong = (value: unknown): never => value as never;

const bad = [
  0,
  -1,
  lowest - 1,
  lowest + 0.5,
  NaN,
  Infinity,
  2 ** 53,
  wrong('1M'),
  wrong(null),
  wrong(10_000n),
];
const invalid = {name: 'HawserError', code: 'INVALID_OPTION', message: /limit.*10000 or more/};

test('a limit that is no whole number from 10,000 on is INVALID_OPTION', async (t) => {
  const folder = makeFolder(t);
  const {ticket} = await startReceiver(t, folder);
  await using sharer = await share([folder], {bind: loopback});

  for (const limit of bad) {
    t.throws(() => send([folder], {to: ticket, limit}), invalid, String(limit));
    t.throws(() => get(sharer.ticket, {directory: folder, limit}), invalid, String(limit));
    await t.throwsAsync(receive({directory: folder, bind: loopback, limit}), invalid, String(limit));
    await t.throwsAsync(share([folder], {bind: loopback, limit}), invalid, String(limit));
  }
});

test('setLimit refuses the same, and leaves the transfer as it is', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const receiver = await startReceiver(t, join(folder, 'inbox'));
  const transfer = send([join(folder, 'file')], {to: receiver.ticket});

  for (const limit of bad) {
    t.throws(() => transfer.setLimit(limit), invalid, String(limit));
    t.throws(() => receiver.setLimit(limit), invalid, String(limit));
  }

  t.is((await transfer.finished()).files, 1);
  transfer.setLimit(lowest);
});

async function opened(transfer: Transfer): Promise<void> {
  for await (const {state} of transfer.progress()) if (state !== 'connecting') return;
}

test('setLimit lifts the limit of a transfer', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: pseudoRandom(largeBytes)});
  const receiver = await startReceiver(t, join(folder, 'inbox'));

  const transfer = send([join(folder, 'file')], {to: receiver.ticket, limit: lowest});
  await opened(transfer);
  transfer.setLimit(undefined);

  t.is((await transfer.finished()).bytes, largeBytes);
  assertSameBytes(t, join(folder, 'inbox/file'), join(folder, 'file'));
});

test('setLimit lifts the limit of a listener for all its transfers', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: pseudoRandom(largeBytes)});
  await using sharer = await share([join(folder, 'file')], {bind: loopback, limit: lowest});

  const inboxes = ['one', 'two'].map((name) => join(folder, name));
  const transfers = inboxes.map((directory) => get(sharer.ticket, {directory, limit: lowest}));
  await Promise.all(transfers.map(opened));
  sharer.setLimit(undefined);
  for (const transfer of transfers) transfer.setLimit(undefined);

  for (const transfer of transfers) t.is((await transfer.finished()).bytes, largeBytes);
  for (const inbox of inboxes) assertSameBytes(t, join(inbox, 'file'), join(folder, 'file'));
});

test('closing a transfer that a limit holds up ends it', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: pseudoRandom(largeBytes)});
  const receiver = await startReceiver(t, join(folder, 'inbox'));

  const transfer = send([join(folder, 'file')], {to: receiver.ticket, lanes: 16, limit: lowest});
  await opened(transfer);
  await transfer.close();

  await t.throwsAsync(transfer.finished(), {name: 'HawserError', code: 'CANCELLED'});
});

test('--limit takes a rate on either side', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: pseudoRandom(500_000)});
  const file = join(folder, 'file');
  const receiver = await listenOn(t, ['receive', join(folder, 'inbox'), '--limit', '20M']);
  const sharer = await listenOn(t, ['share', file, '--limit', '20MB/s']);

  const sent = await run(t, ['send', file, '--to', receiver.ticket, '--limit', '10MiB']);
  const got = await run(t, ['get', sharer.ticket, join(folder, 'fetched'), '--limit', '10000k']);

  t.is(sent.code, 0, sent.stderr);
  t.is(got.code, 0, got.stderr);
  assertSameBytes(t, join(folder, 'inbox/file'), file);
  assertSameBytes(t, join(folder, 'fetched/file'), file);
});

test('a --limit that is no rate, or too low, is wrong usage', async (t) => {
  const folder = makeFolder(t);
  const {ticket} = await listenOn(t, ['receive', folder]);
  const commands = [
    ['receive', folder],
    ['share', folder],
    ['send', folder, '--to', ticket],
    ['get', ticket],
  ];

  for (const command of commands) {
    const fast = await run(t, [...command, '--limit', 'fast']);
    t.is(fast.code, 2);
    t.regex(fast.stderr, /--limit <rate>.*'fast' is invalid\. It must be .* such as 500k, 1\.5M, 64KiB/);
  }
  const slow = await run(t, ['send', folder, '--to', ticket, '--limit', '9k']);
  t.is(slow.code, 2);
  t.regex(slow.stderr, /^hawser: the limit must be .* 10000 or more, not 9000\n/);
});
