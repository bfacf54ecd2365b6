import {existsSync, mkdirSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {hawser, hawserOnTerminal, listenOn, parseEvents, run} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {listed} from './helpers/peers.ts';
import type {Process} from './helpers/process.ts';
import {listDelivered, writeFiles} from './helpers/tree.ts';

/** The program `script` of this kind is on every Linux. */
const linux = process.platform === 'linux' ? test : test.skip;

interface Asking {
  readonly folder: string;
  readonly inbox: string;
  readonly receiver: Process;
  readonly ticket: string;
}

async function startAsking(
  t: ExecutionContext,
  env: NodeJS.ProcessEnv = {},
  ...flags: readonly string[]
): Promise<Asking> {
  const folder = makeFolder(t);
  const inbox = join(folder, 'inbox');
  await writeFiles(folder, {'tree/one': 'one', 'tree/folder/two': 'two two'});
  const args = ['receive', inbox, '--ask', '--bind', '127.0.0.1', '--port', '0', ...flags];
  const receiver = hawserOnTerminal(t, args, env);
  const ticket = await receiver.said('stdout', /(hawser1\w+)\r\n/);
  return {folder, inbox, receiver, ticket};
}

linux('a person is asked on the terminal, and yes lets it in', async (t) => {
  const {folder, inbox, receiver, ticket} = await startAsking(t, {}, '--once');
  const sender = hawser(t, ['send', join(folder, 'tree'), '--to', ticket]);

  const shown = await receiver.said('stdout', /\r\n[^\r\n]* offers ([^]*?)Accept\? \[y\/N\] /);
  t.deepEqual(readdirSync(inbox), []);
  receiver.type('y\n');

  const {code, stdout} = await receiver.ended();
  t.is(code, 0, stdout);
  t.deepEqual(shown.split('\r\n'), [
    '2 files and 2 folders, 10 B:',
    '      7 B  tree/folder/two',
    '      3 B  tree/one',
    '   folder  tree',
    '   folder  tree/folder',
    '',
  ]);
  t.regex(stdout, /127\.0\.0\.1:\d+ \(calls itself ".+", key \w{4}-\w{4}-\w{4}-\w{4}, new\) offers 2 files/);
  t.is((await sender.ended()).code, 0);
  t.deepEqual(await listDelivered(inbox), ['tree']);
});

linux('no, and anything else, keeps it out, and the other side is told', async (t) => {
  for (const answer of ['n', '', 'yeah']) {
    const {folder, inbox, receiver, ticket} = await startAsking(t, {}, '--once');
    const sender = hawser(t, ['send', join(folder, 'tree'), '--to', ticket]);
    await receiver.said('stdout', /Accept\? /);
    receiver.type(`${answer}\n`);

    const received = await receiver.ended();
    t.is(received.code, 5, received.stdout);
    t.regex(received.stdout, /the transfer was refused here/);
    const sent = await sender.ended();
    t.is(sent.code, 5);
    t.regex(sent.stderr, /hawser: the other side refused the transfer\n$/);
    t.deepEqual(readdirSync(inbox), []);
  }
});

linux(
  'who was refused is as new the next time, and shown by no name that only it gives itself',
  async (t) => {
    const [env, sender] = [{HAWSER_CONFIG_DIR: makeFolder(t)}, {HAWSER_CONFIG_DIR: makeFolder(t)}];
    const asked = /127\.0\.0\.1:\d+ (\([^\r\n]+\)) offers [^]*?Accept\? /;
    for (const [answer, isNew] of [
      ['n', true],
      ['y', true],
      ['y', false],
    ] as const) {
      const {folder, receiver, ticket} = await startAsking(t, env, '--once');
      const sent = hawser(t, ['send', join(folder, 'tree'), '--to', ticket], sender);
      const who = await receiver.said('stdout', asked);
      t.regex(who, /^\(calls itself ".+", key (?:\w{4}-){3}\w{4}(?:, new)?\)$/);
      t.is(who.endsWith(', new)'), isNew);
      t.is((await listed(t, env)) === '', isNew);
      receiver.type(`${answer}\n`);
      await receiver.ended();
      await sent.ended();
      t.is((await listed(t, env)) !== '', answer === 'y');
    }
  },
);

linux('a sender sees that it waits to be accepted, and Ctrl-C then says that nothing was done', async (t) => {
  const {folder, receiver, ticket} = await startAsking(t);
  const sender = hawserOnTerminal(t, ['send', join(folder, 'tree'), '--to', ticket]);
  await receiver.said('stdout', /Accept\? /);
  await sender.said('stdout', /Waiting for the other side to accept…/);
  sender.type('\u0003');

  const {code, stdout} = await sender.ended();
  t.is(code, 130);
  t.notRegex(stdout, /files|same command|Continue/);
  t.regex(stdout, /Interrupted before anything was transferred\.\r\n/);
});

linux('Ctrl-C at the question ends the receiver, and the sender hears of it', async (t) => {
  const {folder, inbox, receiver, ticket} = await startAsking(t);
  const sender = hawser(t, ['send', join(folder, 'tree'), '--to', ticket]);
  await receiver.said('stdout', /Accept\? /);
  receiver.type('\u0003');

  const {code, stdout} = await receiver.ended();
  t.is(code, 130, stdout);
  const sent = await sender.ended();
  t.is(sent.code, 5);
  t.regex(sent.stderr, /the other side stopped the transfer/);
  t.deepEqual(readdirSync(inbox), []);
});

linux('senders are asked about one after the other, and what was typed before is no answer', async (t) => {
  const {folder, inbox, receiver, ticket} = await startAsking(t);
  receiver.type('y\ny\n');
  // The terminal shows what it has.
  await receiver.said('stdout', /y\r\ny\r\n/);
  const first = hawser(t, ['send', join(folder, 'tree/one'), '--to', ticket]);
  await receiver.said('stdout', /offers 1 file, 3 B:[^]*Accept\? /);
  const second = hawser(t, ['send', join(folder, 'tree/folder/two'), '--to', ticket, '--retry', '0']);
  await second.said('stderr', /Connected to/);
  receiver.type('y\n');

  t.is((await first.ended()).code, 0);
  await receiver.said('stdout', /offers 1 file, 7 B:[^]*Accept\? /);
  t.deepEqual(await listDelivered(inbox), ['one']);
  receiver.type('n\n');
  t.is((await second.ended()).code, 5);
  receiver.type('\u0003');
  t.is((await receiver.ended()).code, 0);
});

linux(
  'a question whose sender has gone is withdrawn, and the next one needs a line of its own',
  async (t) => {
    const {folder, receiver, ticket} = await startAsking(t);
    const first = hawser(t, ['send', join(folder, 'tree/one'), '--to', ticket]);
    await receiver.said('stdout', /Accept\? /);
    first.kill('SIGINT');
    await first.ended();
    await receiver.said('stdout', /Withdrawn: there is nothing to answer any more\./);

    const second = hawser(t, ['send', join(folder, 'tree/folder/two'), '--to', ticket]);
    await receiver.said('stdout', /Press Enter/);
    receiver.type('y\n');
    await receiver.said('stdout', /offers 1 file, 7 B:[^]*Accept\? /);
    receiver.type('yes\n');

    t.is((await second.ended()).code, 0);
  },
);

linux('names are escaped and cut, and those that programs run are pointed out', async (t) => {
  const {folder, receiver, ticket} = await startAsking(t, {}, '--once');
  mkdirSync(join(folder, '.ssh'));
  writeFileSync(join(folder, '.ssh/authorized_keys'), 'key');
  const nasty = join(folder, '\u001b[2Jtxt.\u202eexe');
  const long = join(folder, `${'x'.repeat(200)}.end`);
  for (const path of [nasty, long]) writeFileSync(path, 'content');
  const sender = hawser(t, ['send', join(folder, '.ssh'), nasty, long, '--to', ticket]);

  const shown = await receiver.said('stdout', /offers ([^]*?)Accept\? /);
  receiver.type('n\n');
  await sender.ended();

  t.true(shown.includes('7 B  \\u{1b}[2Jtxt.\\u{202e}exe\r\n'), shown);
  t.regex(shown, /7 B {2}x+…x+\.end\r\n/);
  t.regex(shown, /Careful: .*\.ssh, \.ssh\/authorized_keys\r\n/);
  t.false(shown.includes('\u001b[2J'));
  for (const line of shown.split('\r\n').slice(1, -2)) t.true(line.length <= 100, line);
});

test('without a terminal whatever is sent is refused, and both sides are told why', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  for (const flags of [[], ['--json']]) {
    const inbox = join(folder, `inbox${flags.join('')}`);
    const {process: receiver, ticket} = await listenOn(t, ['receive', inbox, '--ask', '--once', ...flags]);

    const sent = await run(t, ['send', join(folder, 'file'), '--to', ticket]);
    const {code, stdout, stderr} = await receiver.ended();

    t.is(sent.code, 5);
    t.regex(sent.stderr, /the other side refused the transfer: there is no terminal to ask on/);
    t.is(code, 5);
    t.deepEqual(readdirSync(inbox), []);
    const refused = 'the transfer was refused here: there is no terminal to ask on';
    if (flags.length === 0) {
      t.regex(stderr, /hawser: --ask: there is no terminal to ask on, so whatever is sent will be refused/);
      t.true(stderr.includes(refused), stderr);
    } else {
      const events = parseEvents(stdout);
      t.like(events[0], {event: 'notice'});
      t.like(events.at(-1), {event: 'error', code: 'REFUSED', message: refused});
    }
  }
});

linux('who fetches can be asked, too, and into the home folder is told what that means', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {'tree/.bashrc': 'run'});
  const {ticket} = await listenOn(t, ['share', join(folder, 'tree/.bashrc')]);
  const [home, inbox] = [join(folder, 'home'), join(folder, 'inbox')];

  const getter = hawserOnTerminal(t, ['get', ticket, inbox, '--ask']);
  await getter.said('stdout', /Careful: .+ \.bashrc\r\nAccept\? /);
  getter.type('n\n');
  t.is((await getter.ended()).code, 5);
  t.false(existsSync(inbox));

  mkdirSync(home);
  const {code, stderr} = await run(t, ['get', ticket, home], {HOME: home});
  t.is(code, 0, stderr);
  t.regex(stderr, /^hawser: this is your home folder/);
});

test('who receives into the home folder is told what that means, unless asked before', async (t) => {
  const home = makeFolder(t);
  for (const [args, told] of [
    [['receive', home], true],
    [['receive', join(home, 'inbox')], false],
    [['receive', home, '--ask'], false],
  ] as const) {
    const {process: receiver} = await listenOn(t, args, '0', {HOME: home, USERPROFILE: home});
    await receiver.said('stderr', /Listening on/);
    receiver.kill('SIGTERM');
    const {stderr} = await receiver.ended();
    t.is(stderr.includes('this is your home folder'), told, stderr);
  }
});

test('who receives into a repository, or what looks like a home folder, is told what that means', async (t) => {
  const folder = makeFolder(t);
  for (const [name, told] of [
    ['.git', /^hawser: this is a repository: .+ \.git\/hooks,/m],
    ['.ssh', /^hawser: this is a home folder: .+ \.bashrc,/m],
    ['git', /^(?![^]*this is )/],
  ] as const) {
    mkdirSync(join(folder, name, name), {recursive: true});
    const {process: receiver} = await listenOn(t, ['receive', join(folder, name)]);
    await receiver.said('stderr', /Listening on/);
    receiver.kill('SIGTERM');
    t.regex((await receiver.ended()).stderr, told);
  }
});
