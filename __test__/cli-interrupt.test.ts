import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import test from 'ava';
import {hawser, listenOn, parseEvents} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {startNode} from './helpers/process.ts';
import {writeSparse} from './helpers/tree.ts';

/** A progress event of a transfer whose bytes flow. */
const flowing = /"event":"progress".*"bytesDone":[1-9]/;

test('Ctrl-C on the sender is 130 and says what is kept; the receiver goes on and ends cleanly', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'endless'), 2 ** 32);
  const {process: receiver, ticket} = await listenOn(t, ['receive', join(folder, 'inbox'), '--json']);

  const sender = hawser(t, ['send', join(folder, 'endless'), '--to', ticket]);
  await receiver.said('stdout', flowing);
  sender.kill('SIGINT');

  const sent = await sender.ended();
  t.is(sent.code, 130, sent.stderr);
  t.regex(
    sent.stderr,
    /Interrupted\. 0 files \(0 B\) are delivered and stay; parts of files under way are kept/,
  );
  t.true(
    sent.stderr.endsWith(
      `To continue, with the ticket in HAWSER_TICKET:\n  hawser send ${join(folder, 'endless')}\n`,
    ),
  );
  t.false(sent.stderr.includes(ticket));
  await receiver.said('stdout', /"event":"error"/);
  receiver.kill('SIGINT');
  t.is((await receiver.ended()).code, 0);
});

test('a transfer that its sender stops is 5 on a receiver that serves only one', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'endless'), 2 ** 32);
  const {process: receiver, ticket} = await listenOn(t, ['receive', join(folder, 'inbox'), '--once']);

  const sender = hawser(t, ['send', join(folder, 'endless'), '--to', ticket, '--json']);
  await sender.said('stdout', flowing);
  sender.kill('SIGTERM');

  const sent = await sender.ended();
  t.is(sent.code, 130);
  t.like(parseEvents(sent.stdout).at(-1), {event: 'error', code: 'CANCELLED', interrupted: true});
  const received = await receiver.ended();
  t.is(received.code, 5);
  t.regex(received.stderr, /the other side stopped the transfer/);
});

test('Ctrl-C on a receiver whose transfer runs is 130, and the sender learns of it', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'endless'), 2 ** 32);
  const {process: receiver, ticket} = await listenOn(t, ['receive', join(folder, 'inbox')]);

  const sender = hawser(t, ['send', join(folder, 'endless'), '--to', ticket, '--json']);
  await sender.said('stdout', flowing);
  receiver.kill('SIGINT');

  t.is((await receiver.ended()).code, 130);
  const sent = await sender.ended();
  t.is(sent.code, 5, sent.stdout.slice(-500));
});

test('a second Ctrl-C ends a command at once', async (t) => {
  const interrupt = pathToFileURL('build/src/cli/interrupt.js').href;
  const code = `
    import {listenForInterrupts} from ${JSON.stringify(interrupt)};
    listenForInterrupts(false).signal.addEventListener('abort', () => console.log('ending, slowly'));
    setInterval(() => {}, 1000);
    console.log('running');`;
  const command = startNode(t, ['--input-type=module', '--eval', code]);
  await command.said('stdout', /running/);
  command.kill('SIGINT');
  await command.said('stdout', /ending/);

  // What follows within an instant is taken for an echo of the first: a person presses again.
  const pressing = setInterval(() => command.kill('SIGINT'), 50);
  t.is((await command.ended()).code, 130);
  clearInterval(pressing);
});
