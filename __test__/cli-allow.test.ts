import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {receive, share} from '../src/index.ts';
import {listenOn, parseEvents, run} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {loopback} from './helpers/loopback.ts';
import {listed, ownAddress} from './helpers/peers.ts';
import {listDelivered, writeFiles} from './helpers/tree.ts';

/** Two users, the public keys of both, and a file. */
async function prepare(t: ExecutionContext) {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const here = {HAWSER_CONFIG_DIR: join(folder, 'here')};
  const there = {HAWSER_CONFIG_DIR: join(folder, 'there')};
  const keyOf = async (env: NodeJS.ProcessEnv): Promise<string> => {
    const {stdout} = await run(t, ['id', '--json'], env);
    return String(parseEvents(stdout)[0]?.['publicKey']);
  };
  const keys = {here: await keyOf(here), there: await keyOf(there)};
  return {file: join(folder, 'file'), inbox: join(folder, 'inbox'), here, there, keys};
}

test('a sender on the list needs no ticket, and nobody else is let in without one', async (t) => {
  const {file, inbox, here, there, keys} = await prepare(t);
  const args = ['receive', inbox, '--json', '--allow', keys.there.toUpperCase()];
  const {process: receiver, ticket} = await listenOn(t, args, '0', here);
  const to = `${keys.here}@127.0.0.1:${await receiver.said('stdout', /"port":(\d+)/)}`;

  const stranger = await run(t, ['send', file, '--to', to]);
  const known = await run(t, ['send', file, '--to', to], there);
  const withTicket = await run(t, ['send', file, '--to', ticket]);

  t.is(stranger.code, 4, stranger.stderr);
  t.regex(stranger.stderr, /the peer with the key [-\w]+ does not let this side's key in.+\n[^]+ --allow/);
  t.is(known.code, 0, known.stderr);
  t.is(withTicket.code, 0, withTicket.stderr);
  t.deepEqual(await listDelivered(inbox), ['file']);
});

test('who is on the list is said by name or fingerprint, too, and so is who is dialled', async (t) => {
  const {file, inbox, here, there, keys} = await prepare(t);
  // They meet by a ticket.
  const first = await listenOn(t, ['receive', inbox, '--once'], '0', here);
  t.is((await run(t, ['send', file, '--to', first.ticket], there)).code, 0);
  await first.process.ended();
  t.is((await run(t, ['peers', 'name', keys.there, 'bob'], here)).code, 0);
  t.is((await run(t, ['peers', 'name', keys.here, 'alice'], there)).code, 0);
  const fingerprint = (await listed(t, here)).slice(0, 19);

  for (const who of ['BOB', fingerprint]) {
    const sharer = await listenOn(t, ['share', file, '--json', '--once', '--allow', who], '0', here);
    const port = await sharer.process.said('stdout', /"port":(\d+)/);
    const {code, stderr} = await run(t, ['get', `alice@127.0.0.1:${port}`, inbox], there);
    t.is(code, 0, stderr);
    t.regex(stderr, /^Connected to alice /);
    t.is((await sharer.process.ended()).code, 0);
  }
});

test('another key than that of the name is not taken for it', async (t) => {
  const {file, inbox, here, there, keys} = await prepare(t);
  const {process: receiver} = await listenOn(
    t,
    ['receive', inbox, '--json', '--allow', keys.there],
    '0',
    here,
  );
  const port = await receiver.said('stdout', /"port":(\d+)/);

  const {code, stderr} = await run(t, ['send', file, '--to', `${keys.there}@127.0.0.1:${port}`], there);

  t.is(code, 4, stderr);
  t.deepEqual(await listDelivered(inbox), []);
});

test('a name whose key has changed is told from one that does not let this side in', async (t) => {
  const {file, inbox, here, there, keys} = await prepare(t);
  const first = await listenOn(t, ['receive', inbox, '--once'], '0', here);
  t.is((await run(t, ['send', file, '--to', first.ticket], there)).code, 0);
  await first.process.ended();
  t.is((await run(t, ['peers', 'name', keys.here, 'nas'], there)).code, 0);
  const fingerprint = (await listed(t, there)).slice(0, 19);
  const start = async (env: NodeJS.ProcessEnv, ...flags: readonly string[]) => {
    const {process: receiver} = await listenOn(t, ['receive', makeFolder(t), '--json', ...flags], '0', env);
    return `127.0.0.1:${await receiver.said('stdout', /"port":(\d+)/)}`;
  };

  for (const flags of [[], ['--allow', keys.here]]) {
    const {code, stderr} = await run(t, ['send', file, '--to', `nas@${await start(here, ...flags)}`], there);
    t.is(code, 4);
    const why = `nas, whose key is ${fingerprint}, does not let this side's key in without a ticket`;
    t.true(stderr.startsWith(`hawser: ${why}\n`), stderr);
  }
  const address = await start({HAWSER_CONFIG_DIR: makeFolder(t)}, '--allow', keys.there);
  const changed = await run(t, ['send', file, '--to', `nas@${address}`], there);
  t.is(changed.code, 4);
  const who = `what answers at ${address} did not prove to be nas, whose key is ${fingerprint}`;
  t.true(changed.stderr.startsWith(`hawser: ${who}: the key there has changed, or `), changed.stderr);
  t.regex(changed.stderr, /Ask there what "hawser id" says/);
  t.notRegex(changed.stderr, /same command|--allow/);
  const json = await run(t, ['send', file, '--to', `NAS@${address}`, '--json'], there);
  const mismatch = {name: 'nas', address, known: fingerprint, offered: null};
  t.like(parseEvents(json.stdout).at(-1), {event: 'error', code: 'KEY_CHANGED', mismatch});
});

const reachable = ownAddress === undefined ? test.skip : test;

reachable('a name alone is dialled where it was reached last', async (t) => {
  const {file, inbox, here, there, keys} = await prepare(t);
  const args = ['receive', inbox, '--json', '--bind', ownAddress ?? '', '--allow', keys.there];
  const {ticket} = await listenOn(t, args, '0', here);
  t.is((await run(t, ['send', file, '--to', ticket], there)).code, 0);
  t.is((await run(t, ['peers', 'name', keys.here, 'nas'], there)).code, 0);

  const {code, stderr} = await run(t, ['send', file, '--to', 'nas'], there);

  t.is(code, 0, stderr);
  t.regex(stderr, /^Connected to nas /);
});

test('a name that a peer gives itself lets nobody in, and dials nobody, before the user has given it', async (t) => {
  const {file, inbox, there} = await prepare(t);
  const receiver = await receive({directory: inbox, bind: loopback, name: 'nas'});
  t.teardown(() => receiver.close());
  t.is((await run(t, ['send', file, '--to', receiver.ticket], there)).code, 0);
  const explanation = /"nas" is only what that peer calls itself: .+ "hawser peers name (\S+) nas"/;

  for (const args of [
    ['receive', inbox, '--allow', 'NAS'],
    ['share', file, '--allow', 'nas'],
    ['send', file, '--to', 'nas@127.0.0.1'],
    ['send', file, '--to', 'nas'],
    ['get', 'nas', inbox],
  ]) {
    const {code, stderr} = await run(t, args, there);
    t.is(code, 2, stderr);
    t.regex(stderr, explanation);
  }

  const {stderr} = await run(t, ['receive', inbox, '--allow', 'nas'], there);
  const [, fingerprint = ''] = explanation.exec(stderr) ?? [];
  t.is((await run(t, ['peers', 'name', fingerprint, 'nas'], there)).code, 0);
  await receiver.close();
  const {process: listener} = await listenOn(t, ['receive', inbox, '--allow', 'nas'], '0', there);
  await listener.said('stderr', /Listening/);
});

test('who is not known, and where, is 2', async (t) => {
  const {file, inbox, here, there, keys} = await prepare(t);
  const {process: receiver, ticket} = await listenOn(t, ['receive', inbox, '--once'], '0', here);
  t.is((await run(t, ['send', file, '--to', ticket], there)).code, 0);
  await receiver.ended();
  t.is((await run(t, ['peers', 'name', keys.here, 'nas'], there)).code, 0);

  const wrong: readonly (readonly [string[], RegExp])[] = [
    [['receive', inbox, '--allow', 'nobody'], /no known peer has the name or fingerprint "nobody"/],
    [['share', file, '--allow', 'abcd-efgh-ijkl-mnop'], /a public key need not be known/],
    [['send', file, '--to', 'nobody@127.0.0.1'], /no known peer .+"nobody"/],
    [['send', file, '--to', 'nas'], /no address is known of nas: give it as nas@HOST/],
    [['send', file, '--to', 'nas@'], /behind nas@ goes a host, as in nas@192\.0\.2\.7/],
    [['send', file, '--to', 'nas@a:b:7'], /an address is a host and a port/],
    [['send', file, '--to', 'nas@host:70000'], /port must be a whole number from 1 to 65535/],
    [['send', file, '--to', 'nas@host_1'], /"host_1" is neither an IP address nor a host name/],
    [['send', file, '--to', 'nobody'], /not a ticket/],
  ];
  for (const [args, explanation] of wrong) {
    const {code, stderr} = await run(t, args, there);
    t.is(code, 2, stderr);
    t.regex(stderr, explanation);
  }
});

test('allow and the address of a listener are options that are checked', async (t) => {
  const folder = makeFolder(t);
  const publicKey = 'a'.repeat(52);
  for (const allow of [['alice'], [publicKey.slice(1)], ['']]) {
    const options = {bind: loopback, allow};
    await t.throwsAsync(receive({directory: folder, ...options}), {code: 'INVALID_OPTION'});
    await t.throwsAsync(async () => share([folder], options), {code: 'INVALID_OPTION'});
  }
});
