import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import test from 'ava';
import {isHawserError, receive, send, share, type TicketLimits} from '../src/index.ts';
import {makeFolder} from './helpers/folder.ts';
import {loopback} from './helpers/loopback.ts';
import {somebody} from './helpers/peers.ts';
import {listDelivered, writeFiles} from './helpers/tree.ts';

test('a ticket for one belongs to the first, also for a later listener with the ledger', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const [first, second, identity] = [somebody(), somebody(), somebody()];
  const ledger = join(folder, 'ledger');
  const options = {
    directory: join(folder, 'inbox'),
    bind: loopback,
    ticketLimits: {uses: 1},
    ledger,
    identity,
  };
  const give = (to: string, from: typeof first) =>
    send([join(folder, 'file')], {to, identity: from}).finished();

  await using receiver = await receive(options);
  const {ticket} = receiver;
  t.is((await give(ticket, first)).files, 1);
  await t.throwsAsync(give(ticket, second), {code: 'AUTHENTICATION_FAILED'});
  t.is((await give(ticket, first)).filesPresent, 1);
  await receiver.close();

  await using later = await receive({...options, ticket});
  await t.throwsAsync(give(later.ticket, second), {code: 'AUTHENTICATION_FAILED'});
  t.is((await give(later.ticket, first)).filesPresent, 1);
  t.regex(await readFile(ledger, 'utf8'), /^hawser ticket ledger 1\n/);
});

test('what goes beyond the quota of a ticket fails alone', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(join(folder, 'tree'), {a: 'x'.repeat(600), b: 'x'.repeat(600), c: 'x'});
  const paths = ['a', 'b', 'c'].map((name) => join(folder, 'tree', name));

  for (const [ticketLimits, failures] of [
    [{bytes: 1000}, 1],
    [{entries: 2}, 1],
    [{bytes: 1201, entries: 3}, 0],
  ] as const) {
    await using receiver = await receive({directory: makeFolder(t), bind: loopback, ticketLimits});
    const {files, failed} = await send(paths, {to: receiver.ticket}).finished();
    t.is(files, 3 - failures);
    t.deepEqual(
      failed.map(({code, message}) => [code, message]),
      Array.from({length: failures}, () => [
        'QUOTA',
        'it is beyond the quota that the receiving side has set',
      ]),
    );
  }
});

test('an expired ticket lets nobody new in, and the error says so', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const directory = join(folder, 'inbox');
  await using receiver = await receive({directory, bind: loopback, ticketLimits: {lifetimeMs: 1000}});

  const sendAs = async (): Promise<unknown> => {
    const options = {to: receiver.ticket, identity: somebody()};
    return send([join(folder, 'file')], options)
      .finished()
      .then(
        () => undefined,
        (error: unknown) => error,
      );
  };
  let error;
  while (error === undefined) error = await sendAs();

  t.true(isHawserError(error) && error.code === 'TICKET_EXPIRED' && /the ticket expired/.test(error.message));
});

test('a revoked ticket lets nobody in any more, and the one in its place does', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file', other: 'other'});
  const inbox = join(folder, 'inbox');
  await using receiver = await receive({directory: inbox, bind: loopback});
  const old = receiver.ticket;
  const identity = somebody();
  await send([join(folder, 'file')], {to: old, identity}).finished();

  const ticket = await receiver.revoke();

  t.not(ticket, old);
  t.is(receiver.ticket, ticket);
  await t.throwsAsync(send([join(folder, 'file')], {to: old, identity}).finished(), {
    code: 'AUTHENTICATION_FAILED',
  });
  await send([join(folder, 'other')], {to: ticket}).finished();
  t.deepEqual(await listDelivered(inbox), ['file', 'other']);
});

test('limits that are none are options that are checked', async (t) => {
  const folder = makeFolder(t);
  const wrong: readonly (readonly [keyof TicketLimits, readonly number[], RegExp])[] = [
    ['lifetimeMs', [999, 1000.5, -1, NaN], /lifetime of the ticket/],
    ['uses', [0, 1.5, 2 ** 32, Infinity], /uses of the ticket/],
    ['bytes', [0, -1, 0.5, 2 ** 53], /bytes of the ticket/],
    ['entries', [0, -1, 0.5, Infinity], /entries of the ticket/],
  ];
  for (const [option, values, message] of wrong) {
    for (const value of values) {
      const options = {bind: loopback, ticketLimits: {[option]: value}};
      await t.throwsAsync(receive({directory: folder, ...options}), {code: 'INVALID_OPTION', message});
      await t.throwsAsync(share([folder], options), {code: 'INVALID_OPTION', message});
    }
  }
  const limits = {lifetimeMs: Infinity, uses: 2 ** 32 - 1, bytes: 2 ** 53 - 1, entries: 2 ** 53 - 1};
  await using receiver = await receive({directory: folder, bind: loopback, ticketLimits: limits});
  t.true(receiver.ticket.startsWith('hawser1'));
});

test('a ledger that cannot be written is an error before anybody comes', async (t) => {
  const folder = makeFolder(t);
  const ledger = join(folder, 'none/ledger');
  const options = {directory: join(folder, 'inbox'), bind: loopback, ledger};
  await t.throwsAsync(receive(options), {code: 'NOT_FOUND', message: /write the ledger/});
});
