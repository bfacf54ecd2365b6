import {once} from 'node:events';
import {createServer} from 'node:net';
import {join} from 'node:path';
import test from 'ava';
import {hawser, listenOn, parseEvents, run} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {assertSameBytes, assertSameTree, pseudoRandom, writeFiles} from './helpers/tree.ts';

test('receive and send move files and folders between two processes', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {
    'photos/a.jpg': pseudoRandom(2_000_000),
    'photos/b.jpg': 'b',
    'sample.txt': 'sample',
  });
  const {process: receiver, ticket} = await listenOn(t, ['receive', join(folder, 'inbox')]);

  const sent = await run(t, ['send', join(folder, 'photos'), join(folder, 'sample.txt'), '--to', ticket]);

  t.is(sent.code, 0, sent.stderr);
  t.is(sent.stdout, '');
  t.regex(
    sent.stderr,
    /^Connected to 127\.0\.0\.1:\d+ \(calls itself ".+", key .+\)\.\nSent 3 files, 2 MB in \d+\.\d s \(.+\/s\)\n$/,
  );
  await assertSameTree(t, join(folder, 'inbox/photos'), join(folder, 'photos'));
  assertSameBytes(t, join(folder, 'inbox/sample.txt'), join(folder, 'sample.txt'));

  await receiver.said('stderr', /Received 3 files, 2 MB in \d+\.\d s \(.+\/s\) from /);
  receiver.kill('SIGINT');
  const received = await receiver.ended();
  t.is(received.code, 0, received.stderr);
  t.is(received.stdout, `${ticket}\n`);
  t.true(received.stderr.includes(`npx hawser send <files> --to ${ticket}\n`));
  t.regex(received.stderr, /^Listening on 127\.0\.0\.1:\d+/);
  t.regex(received.stderr, /127\.0\.0\.1:\d+ \(calls itself ".+", key .+\) is sending\.\n/);
});

test('receive keeps listening for more senders', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {one: '1', two: '2'});
  const {ticket} = await listenOn(t, ['receive', join(folder, 'inbox')]);

  for (const name of ['one', 'two']) {
    t.is((await run(t, ['send', join(folder, name), '--to', ticket])).code, 0);
    assertSameBytes(t, join(folder, 'inbox', name), join(folder, name));
  }
});

test('share and get move files the other way round', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {'photos/a.jpg': pseudoRandom(2_000_000), 'movie.mp4': 'film'});
  const paths = [join(folder, 'photos'), join(folder, 'movie.mp4')];
  const {process: sharer, ticket} = await listenOn(t, ['share', ...paths]);

  const got = await run(t, ['get', ticket, join(folder, 'inbox')]);

  t.is(got.code, 0, got.stderr);
  t.is(got.stdout, '');
  t.regex(got.stderr, /\nReceived 2 files, 2 MB in .+\n$/);
  await assertSameTree(t, join(folder, 'inbox/photos'), join(folder, 'photos'));
  await sharer.said('stderr', /Sent 2 files, 2 MB in .+ to /);
  sharer.kill('SIGTERM');
  const shared = await sharer.ended();
  t.is(shared.code, 0);
  t.is(shared.stdout, `${ticket}\n`);
  t.true(shared.stderr.includes(`npx hawser get ${ticket}\n`));
});

test('--once ends a listener after the first transfer', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const receiver = await listenOn(t, ['receive', join(folder, 'inbox'), '--once']);
  const sharer = await listenOn(t, ['share', join(folder, 'file'), '--once']);

  await run(t, ['send', join(folder, 'file'), '--to', receiver.ticket]);
  await run(t, ['get', sharer.ticket, join(folder, 'fetched')]);

  for (const {process} of [receiver, sharer]) t.is((await process.ended()).code, 0);
});

test('the ticket may come from HAWSER_TICKET', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const receiver = await listenOn(t, ['receive', join(folder, 'inbox')]);
  const sharer = await listenOn(t, ['share', join(folder, 'file')]);

  const sent = await run(t, ['send', join(folder, 'file')], {HAWSER_TICKET: receiver.ticket});
  const got = await run(t, ['get', join(folder, 'fetched')], {HAWSER_TICKET: sharer.ticket});

  t.is(sent.code, 0, sent.stderr);
  t.is(got.code, 0, got.stderr);
  assertSameBytes(t, join(folder, 'inbox/file'), join(folder, 'file'));
  assertSameBytes(t, join(folder, 'fetched/file'), join(folder, 'file'));
});

test('the default port is left to another program that has it', async (t) => {
  const server = createServer().listen(7707, '127.0.0.1');
  // Where even this port is taken, by another run of this test, it is taken all the same.
  await Promise.race([once(server, 'listening'), once(server, 'error')]).catch(() => {});
  t.teardown(() => server.close());

  const receiver = hawser(t, ['receive', makeFolder(t), '--bind', '127.0.0.1', '--json']);
  const [listening] = parseEvents(await receiver.said('stdout', /.+\n/));

  t.is(listening?.['event'], 'listening');
  t.not(listening?.['port'], 7707);
});

test('what is already there is counted, not sent again', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {'tree/a': 'a', 'tree/b': 'b'});
  const {ticket} = await listenOn(t, ['receive', join(folder, 'inbox')]);
  await run(t, ['send', join(folder, 'tree'), '--to', ticket]);

  const again = await run(t, ['send', join(folder, 'tree'), '--to', ticket]);

  t.is(again.code, 0);
  t.regex(again.stderr, /\nAlready there: 2 files, 2 B\n$/);
});

test('--quiet says nothing but the ticket and what failed', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const {process: receiver, ticket} = await listenOn(t, [
    'receive',
    join(folder, 'inbox'),
    '--once',
    '--quiet',
  ]);

  const sent = await run(t, ['send', join(folder, 'file'), join(folder, 'gone'), '--to', ticket, '--quiet']);

  t.is(sent.code, 8);
  t.is(sent.stdout, '');
  t.regex(sent.stderr, /^failed: gone: .+\n$/);
  const received = await receiver.ended();
  t.is(received.code, 8);
  t.is(received.stdout, `${ticket}\n`);
  t.regex(received.stderr, /^failed: gone: .+\n$/);
});

test('entries that failed are listed before the summary, up to twenty', async (t) => {
  const folder = makeFolder(t);
  const {ticket} = await listenOn(t, ['receive', join(folder, 'inbox')]);
  await writeFiles(folder, {file: 'file'});
  const gone = Array.from({length: 1023}, (_, index) => join(folder, `gone ${index}`));

  const sent = await run(t, ['send', ...gone, join(folder, 'file'), '--to', ticket]);

  t.is(sent.code, 8);
  const lines = sent.stderr.trimEnd().split('\n').slice(1);
  t.is(lines.filter((line) => /^failed: gone \d+: /.test(line)).length, 20);
  t.is(lines.at(-2), 'failed: and 1,003 more');
  t.regex(lines.at(-1) ?? '', /^Sent 1 file, .+; 1,023 failed$/);
});

test('where no terminal is there are no colours', async (t) => {
  for (const env of [{}, {CI: 'true'}]) {
    const {stderr} = await run(t, ['send', 'file', '--to', 'nonsense'], env);
    t.true(stderr.startsWith('hawser: '), stderr);
  }
});
