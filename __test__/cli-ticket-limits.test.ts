import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {hawser, listenOn, run} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {listDelivered, writeFiles} from './helpers/tree.ts';

async function prepare(t: ExecutionContext) {
  const folder = makeFolder(t);
  await writeFiles(folder, {'tree/a': 'x'.repeat(600), 'tree/b': 'x'.repeat(600)});
  return {
    folder,
    paths: [join(folder, 'tree/a'), join(folder, 'tree/b')],
    inbox: join(folder, 'inbox'),
    here: {HAWSER_CONFIG_DIR: join(folder, 'here')},
    first: {HAWSER_CONFIG_DIR: join(folder, 'first')},
    second: {HAWSER_CONFIG_DIR: join(folder, 'second')},
  };
}

test("a ticket for one is the first sender's, also when the receiver was killed and started again", async (t) => {
  const {folder, paths, inbox, here, first, second} = await prepare(t);
  const file = join(folder, 'ticket');
  const args = ['receive', inbox, '--uses', '1', '--ticket-file', file];
  const {process: receiver, ticket} = await listenOn(t, args, '0', here);

  t.is((await run(t, ['send', ...paths, '--to', ticket], first)).code, 0);
  const other = await run(t, ['send', ...paths, '--to', ticket], second);
  t.is(other.code, 4, other.stderr);
  await receiver.said(
    'stderr',
    /^(Turned away 127\.0\.0\.1:\d+ \(key (?:\w{4}-){3}\w{4}, new\): as many have come with the ticket)/m,
  );
  t.is((await run(t, ['send', ...paths, '--to', ticket], first)).code, 0);
  t.regex(await readFile(`${file}.ledger`, 'utf8'), /^used-by /m);

  receiver.kill('SIGKILL');
  await receiver.ended();
  const again = hawser(t, [...args, '--bind', '127.0.0.1'], here);
  t.is(await again.said('stdout', /hawser1\w+/), ticket);
  await again.said('stderr', /^Limits: 1 of 1 peer so far$/m);
  t.is((await run(t, ['send', ...paths, '--to', ticket], second)).code, 4);
  t.is((await run(t, ['send', ...paths, '--to', ticket], first)).code, 0);
});

test('who has come with a ticket that expires is remembered beside it, and that it is limited', async (t) => {
  const {folder, paths, inbox, here, first} = await prepare(t);
  const file = join(folder, 'ticket');
  const args = ['receive', inbox, '--ticket-file', file];
  const limit = ['--expires', '1h'];
  const {process: receiver, ticket} = await listenOn(t, [...args, ...limit], '0', here);
  t.is((await run(t, ['send', ...paths, '--to', ticket], first)).code, 0);
  t.regex(await readFile(`${file}.ledger`, 'utf8'), /^used-by /m);
  receiver.kill('SIGKILL');
  await receiver.ended();

  const unlimited = await run(t, [...args, '--bind', '127.0.0.1'], here);
  t.is(unlimited.code, 2);
  t.regex(unlimited.stderr, /the ticket in .+ has limits, .+: give --expires, --uses, .+ as before/);
  const again = hawser(t, [...args, ...limit, '--bind', '127.0.0.1', '--json'], here);
  t.regex(await again.said('stdout', /.*"event":"listening".*/), /"used":\{"peers":1,/);
});

test('an expired ticket is 4, and one that is kept is an error that says what to do', async (t) => {
  const {folder, paths, inbox, here} = await prepare(t);
  const file = join(folder, 'ticket');
  const args = ['receive', inbox, '--expires', '1s', '--ticket-file', file, '--json'];
  const {process: receiver, ticket} = await listenOn(t, args, '0', here);

  let result;
  do result = await run(t, ['send', ...paths, '--to', ticket]);
  while (result.code === 0);
  t.is(result.code, 4, result.stderr);
  t.regex(result.stderr, /the ticket expired .+\n {2}Ask for a new ticket/);
  const told = await receiver.said('stdout', /^(.*"event":"turned-away".*)$/m);
  t.like(JSON.parse(told), {v: 1, reason: 'expired', knownAs: null, named: false, isNew: true});
  receiver.kill('SIGINT');
  await receiver.ended();

  const again = await run(t, [...args.slice(0, -1), '--bind', '127.0.0.1'], here);
  t.is(again.code, 2);
  t.regex(again.stderr, /the ticket in .+ has expired: move it away, and a new one is made\n/);
});

test('what goes beyond the quota fails with 8, and the rest arrives', async (t) => {
  const {paths, inbox} = await prepare(t);
  for (const [index, [option, limit, left]] of (
    [
      ['--max-bytes', '1k', '400 B of 1 kB (--max-bytes)'],
      ['--max-files', '1', '0 of 1 files, folders and links (--max-files)'],
    ] as const
  ).entries()) {
    const {process: receiver, ticket} = await listenOn(t, ['receive', `${inbox}${index}`, option, limit]);
    const {code, stderr} = await run(t, ['send', ...paths, '--to', ticket]);
    t.is(code, 8, stderr);
    t.regex(stderr, /^failed: [ab]: it is beyond the quota that the receiving side has set$/m);
    t.regex(stderr, /^Sent 1 file, .+; 1 failed$/m);
    t.is((await listDelivered(`${inbox}${index}`)).length, 1);
    const told = await receiver.said(
      'stderr',
      /^hawser: of the quota of this ticket (.+) are left\nReceived 1 file/m,
    );
    t.is(told, left);
  }
});

test('limits are shown with the ticket, and how much of them is used', async (t) => {
  const {folder, paths, inbox, here} = await prepare(t);
  const file = join(folder, 'ticket');
  const limits = ['--uses', '2', '--max-bytes', '2G', '--max-files', '1000', '--expires', '1h'];
  const args = ['receive', inbox, ...limits, '--ticket-file', file];
  const {process: receiver, ticket} = await listenOn(t, args, '0', here);
  const shown =
    /^Limits: 0 of 2 peers so far; 0 B of 2 GB; 0 of 1,000 files, folders and links; new peers until \d{4}-\d\d-\d\d \d\d:\d\d UTC$/m;
  await receiver.said('stderr', shown);
  t.is((await run(t, ['send', ...paths, '--to', ticket])).code, 0);
  receiver.kill('SIGINT');
  await receiver.ended();

  const again = hawser(t, [...args, '--bind', '127.0.0.1', '--json'], here);
  const line = await again.said('stdout', /.*"event":"listening".*/);
  t.regex(line, /"limits":\{"expiresAt":\d{13},"uses":2,"bytes":2000000000,"entries":1000\}/);
  t.regex(line, /"used":\{"peers":1,"bytes":1200,"entries":2\}/);
});

test('limits that are none are wrong usage', async (t) => {
  for (const limit of [
    ['--expires', '0'],
    ['--expires', '0.9s'],
    ['--expires', 'soon'],
    ['--uses', '0'],
    ['--uses', 'one'],
    ['--max-bytes', '0'],
    ['--max-bytes', '10M/s'],
    ['--max-files', '0'],
    ['--max-files', '1.5'],
  ]) {
    const {code, stderr} = await run(t, ['receive', ...limit]);
    t.is(code, 2, limit.join(' '));
    t.true(stderr.includes(`option '${limit[0]} <`), stderr);
  }
});
