import {execFileSync} from 'node:child_process';
import {once} from 'node:events';
import {chmodSync} from 'node:fs';
import {createServer, type AddressInfo} from 'node:net';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {hawser, listenOn, parseEvents, run, showCode} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {listDelivered, writeFiles} from './helpers/tree.ts';

const unix = process.platform === 'win32' ? test.skip : test;

/** Root may read everything. */
const user = process.platform === 'win32' || process.getuid?.() === 0 ? test.skip : test;

async function prepare(t: ExecutionContext) {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  return {folder, file: join(folder, 'file'), inbox: join(folder, 'inbox')};
}

/** A port at which nothing should come, and how often something did. */
async function listenForDiallers(t: ExecutionContext) {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return {address: `127.0.0.1:${(server.address() as AddressInfo).port}`, count: () => connections};
}

test('paths of which none is there cost no code, and are found before one is asked for', async (t) => {
  const {folder, file, inbox} = await prepare(t);
  const {process: receiver, address, code} = await showCode(t, ['receive', inbox, '--once']);
  const [one, other] = [join(folder, 'fiel'), join(folder, 'nothing/file')];

  const alone = await run(t, ['send', one, '--to', address, '--code']);
  const both = await run(t, ['send', one, other, '--to', address, '--code'], {HAWSER_CODE: code});

  t.is(alone.code, 7, alone.stderr);
  t.is(
    alone.stderr,
    `hawser: cannot send "${one}": it is not there\n  Check the spelling and the folder you are in.\n`,
  );
  t.is(both.code, 7);
  t.regex(both.stderr, /it is not there, and neither are the others/);
  t.is((await run(t, ['send', file, '--to', address, '--code'], {HAWSER_CODE: code})).code, 0);
  t.is((await receiver.ended()).code, 0);
});

unix('what cannot be sent at all is found before anything is dialled', async (t) => {
  const {folder, file, inbox} = await prepare(t);
  const {process: receiver, ticket} = await listenOn(t, ['receive', inbox, '--once']);
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);

  for (const [paths, explanation] of [
    [['/'], /cannot send \/: the root folder/],
    [[file, '/'], /cannot send \/: the root folder/],
    [[fifo], /fifo: it is neither a file, a folder nor a symbolic link/],
  ] as const) {
    const {code, stderr} = await run(t, ['send', ...paths, '--to', ticket]);
    t.is(code, 2, stderr);
    t.regex(stderr, explanation);
  }
  t.is((await run(t, ['send', file, '--to', ticket])).code, 0);
  t.is((await receiver.ended()).code, 0);
});

user('a file that cannot be read is found before anything is dialled', async (t) => {
  const {file} = await prepare(t);
  chmodSync(file, 0);
  const nobody = await listenForDiallers(t);

  const sent = await run(t, ['send', file, '--to', nobody.address, '--code'], {
    HAWSER_CODE: 'able-able-able',
  });

  t.is(sent.code, 7, sent.stderr);
  t.regex(sent.stderr, /file: it could not be read\n {2}Check what your user may do there\.\n$/);
  t.is(nobody.count(), 0);
});

test('a sharer of nothing does not start', async (t) => {
  const {folder} = await prepare(t);

  const {code, stdout, stderr} = await run(t, ['share', join(folder, 'fiel'), '--bind', '127.0.0.1']);

  t.is(code, 7, stderr);
  t.is(stdout, '');
  t.regex(stderr, /cannot send .+fiel: it is not there/);
});

test('the words of a code are no arguments, and nobody is dialled with them', async (t) => {
  const {file} = await prepare(t);
  const nobody = await listenForDiallers(t);
  const at = nobody.address;

  for (const args of [
    ['send', file, '--to', at, '--code', 'window', 'trial', 'vacant'],
    ['send', file, '--to', at, '--code', 'window-trial-vacant'],
    ['send', file, '--code', '--to', at, 'window trial vacant'],
    ['send', file, '--to', at, '--code=window-trial-vacant'],
    ['send', file, '--to', `${at} window-trial-vacant`, '--code'],
    ['send', file, '--to', `${at} window trial vacant`],
    ['send', file, '--to', 'window-trial-vacant'],
    ['get', at, '--code', 'window', 'trial', 'vacant'],
    ['get', at, 'window-trial-vacant', '--code'],
    ['get', `${at} window-trial-vacant`, '--code'],
    ['get', 'window trial vacant'],
  ]) {
    const {code, stdout, stderr} = await run(t, args);
    t.is(code, 2, args.join(' '));
    t.regex(stderr, /they are asked for, or taken from HAWSER_CODE/, args.join(' '));
    t.false((stdout + stderr).includes('vacant'));
  }
  t.is(nobody.count(), 0);
});

test('what is there may have any name, also that of a code', async (t) => {
  const {folder, inbox} = await prepare(t);
  await writeFiles(folder, {'window-trial-vacant': 'file'});
  const {address, code} = await showCode(t, ['receive', inbox]);
  const args = ['send', join(folder, 'window-trial-vacant'), '--to', address, '--code'];

  const {code: exitCode, stderr} = await run(t, args, {HAWSER_CODE: code});

  t.is(exitCode, 0, stderr);
  t.deepEqual(await listDelivered(inbox), ['window-trial-vacant']);
});

test('what other programs would take for a destination is explained', async (t) => {
  const {folder, file} = await prepare(t);
  const nobody = await listenForDiallers(t);
  await writeFiles(folder, {ticket: 'hawser1abc'});

  const wrong: readonly (readonly [string[], RegExp])[] = [
    [['send', file, '--to', nobody.address], /not a ticket.+An address goes with --code.+NAME@HOST/],
    [['send', file, '--to', '192.0.2.7'], /not a ticket.+An address goes with --code/],
    [
      ['send', file, '--to', 'alice'],
      /not a ticket.+not the name of a known peer, whom "hawser peers" lists/,
    ],
    [
      ['send', file, '--to', join(folder, 'ticket')],
      /is a file and not a ticket.+HAWSER_TICKET="\$\(cat FILE\)"/,
    ],
    [
      ['send', file, '--to', 'nas:/tmp'],
      /"nas:\/tmp" is not a ticket: the side that receives chooses the folder/,
    ],
    [['send', file, '--to', 'me@nas:'], /the side that receives chooses the folder/],
    [['send', file, '--to', 'nas:/tmp', '--code'], /"nas:\/tmp" is no address: the side that receives/],
    [['send', file, 'me@nas:inbox'], /is not there to be sent: the side that receives chooses/],
    [['send', file, 'hawser1abc'], /a ticket goes behind --to/],
    [['send', file, '--to', 'alice@nas', '--code'], /give the address alone, without a name/],
    [['send', file, '--to', 'a:b:7', '--code'], /an address is a host and a port/],
    [['send', file, '--to', `${'a'.repeat(52)}@`], /goes a host, as in a+@192\.0\.2\.7/],
    [['get', nobody.address], /not a ticket.+An address goes with --code/],
    [['get', 'me@nas:photos'], /the side that receives chooses the folder/],
    [['get', 'hawser1abc', 'inbox', 'more'], /too many arguments/],
  ];
  for (const [args, explanation] of wrong) {
    const {code, stderr} = await run(t, args, {HAWSER_CODE: 'able-able-able'});
    t.is(code, 2, args.join(' '));
    t.regex(stderr, explanation);
  }
  t.is(nobody.count(), 0);
});

test('an address that is wrong is found before the code is asked for', async (t) => {
  const {file} = await prepare(t);
  const sender = hawser(t, ['send', file, '--to', 'nas:port', '--code']);

  const {code, stderr} = await sender.ended();

  t.is(code, 2);
  t.false(stderr.includes('reading the code'), stderr);
});

test('arguments that are not understood are repeated as nothing that a terminal obeys, and are JSON for programs', async (t) => {
  for (const args of [
    ['receive', '--port', 'no\u001b[2Jport'],
    ['receive', '--bogus\u001b[2J'],
    ['send\u001b[2J'],
    ['receive', '--bind', 'x'.repeat(100_000)],
  ]) {
    const {code, stdout, stderr} = await run(t, args);
    t.is(code, 2);
    t.is(stdout, '');
    t.false(stderr.includes('\u001b') || stderr.length > 2000, stderr.slice(0, 2000));

    const asked = await run(t, [...args, '--json']);
    t.is(asked.code, 2);
    const errors = parseEvents(asked.stdout).filter(({event}) => event === 'error');
    t.is(errors.length, 1);
    t.like(errors[0], {code: 'INVALID_OPTION', retryable: false});
  }
});

test('white space around a ticket is left out', async (t) => {
  const folder = makeFolder(t);
  const {stderr} = await run(t, ['get', ' hawser1abc\n', folder]);
  t.regex(stderr, /ticket/);
  t.notRegex(stderr, /a code goes with an address/);
});
