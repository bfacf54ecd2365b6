import {readdir, readFile, stat, writeFile} from 'node:fs/promises';
import {hostname} from 'node:os';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {HawserError, receive, send} from '../src/index.ts';
import {listenOn, parseEvents, run} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {fingerprintOf, listed, ownAddress, somebody} from './helpers/peers.ts';
import {startNode} from './helpers/process.ts';
import {listDelivered, writeFiles} from './helpers/tree.ts';

/** A folder with a file to send, an inbox, and the settings of a user. */
async function prepare(t: ExecutionContext) {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const config = join(folder, 'config');
  const [file, inbox, env] = [join(folder, 'file'), join(folder, 'inbox'), {HAWSER_CONFIG_DIR: config}];
  return {folder, file, inbox, env, knownPeers: join(config, 'known_peers')};
}

/** What a host name becomes as a name. */
const ownName = hostname()
  .replaceAll(/[^\w.-]/g, '')
  .slice(0, 64);

test('id says what the other side sees', async (t) => {
  const {file, inbox, env} = await prepare(t);
  const {ticket} = await listenOn(t, ['receive', inbox], '0', env);

  const said = await run(t, ['id', '--json'], env);
  const sent = await run(t, ['send', file, '--to', ticket, '--json']);
  const shown = await run(t, ['id'], env);

  t.is(said.code, 0, said.stderr);
  const [id, ...others] = parseEvents(said.stdout);
  t.deepEqual(others, []);
  t.like(id, {v: 1, event: 'identity', path: join(env.HAWSER_CONFIG_DIR, 'identity.pem')});
  const {publicKey, fingerprint, words, path} = id as Record<string, string>;
  const seen = parseEvents(sent.stdout).find(({event}) => event === 'peer');
  t.like(seen, {publicKey, fingerprint, isNew: true, knownAs: ownName, named: false});
  t.regex(words ?? '', /^(?:[a-z]+ ){7}[a-z]+$/);
  const rows = `fingerprint  ${fingerprint}\nin words     ${words}\npublic key   ${publicKey}\nkey file     ${path}\n`;
  t.deepEqual(shown, {code: 0, stdout: rows, stderr: ''});
});

test('id makes the key, and says why it cannot', async (t) => {
  const {folder, env} = await prepare(t);

  const first = await run(t, ['id'], env);
  t.is(first.stdout, (await run(t, ['id'], env)).stdout);
  const {code, stderr} = await run(t, ['id'], {HAWSER_CONFIG_DIR: join(folder, 'file/config')});

  t.is(code, 7);
  t.regex(stderr, /^hawser: cannot keep the key .+: not a directory; /);
});

test('both sides remember one another, and greet a new one as new', async (t) => {
  const {file, inbox, env, knownPeers} = await prepare(t);
  const sender = {HAWSER_CONFIG_DIR: makeFolder(t)};
  t.deepEqual(await run(t, ['peers'], env), {code: 0, stdout: '', stderr: 'No known peers.\n'});
  const {process: receiver, ticket} = await listenOn(t, ['receive', inbox], '0', env);

  const first = await run(t, ['send', file, '--to', ticket], sender);
  const second = await run(t, ['send', file, '--to', ticket], sender);
  receiver.kill('SIGINT');
  const {stderr} = await receiver.ended();

  t.regex(
    first.stderr,
    /^Connected to 127\.0\.0\.1:\d+ \(calls itself ".+", key (?:\w{4}-){3}\w{4}, new\)\.\n/,
  );
  t.regex(second.stderr, /^Connected to 127\.0\.0\.1:\d+ \(calls itself ".+", key (?:\w{4}-){3}\w{4}\)\.\n/);
  t.regex(
    stderr,
    /, new\) is sending\.\n[^]+127\.0\.0\.1:\d+ \(calls itself ".+", key (?:\w{4}-){3}\w{4}\) is sending\.\n/,
  );
  const row = new RegExp(`^(?:\\w{4}-){3}\\w{4}  \\d{4}-\\d\\d-\\d\\d  label  ${ownName} *  -\n$`);
  for (const who of [env, sender]) t.regex(await listed(t, who), row);
  if (process.platform !== 'win32') t.is((await stat(knownPeers)).mode & 0o777, 0o600);
  t.deepEqual(await readdir(env.HAWSER_CONFIG_DIR), ['identity.pem', 'known_peers', 'known_peers.lock']);
});

test('a known peer is shown by the name that it was given, whatever it calls itself', async (t) => {
  const {file, inbox, env} = await prepare(t);
  const {process: receiver, ticket} = await listenOn(t, ['receive', inbox], '0', env);
  const identity = somebody();
  await send([file], {to: ticket, identity, name: '\u202evm\x1b[2J'}).finished();
  await receiver.said('stderr', /(?:^|from )"\\u\{202e\}vm\\u\{1b\}\[2J"(?:: |\n)/m);

  const named = await run(t, ['peers', 'name', fingerprintOf(identity), 'alice'], env);
  await send([file], {to: ticket, identity, name: 'bob'}).finished();
  await receiver.said('stderr', /from alice\n/);
  receiver.kill('SIGINT');
  const {stderr} = await receiver.ended();

  t.deepEqual(named, {code: 0, stdout: '', stderr: `${fingerprintOf(identity)} is alice now.\n`});
  t.regex(stderr, /^alice \(.+\) is sending\.$/m);
  t.notRegex(stderr, /bob/);
  t.regex(await listed(t, env), / {2}named {2}alice /);
});

test('two machines of one host name are two peers, and none is refused', async (t) => {
  const {file, inbox, env} = await prepare(t);
  const {ticket} = await listenOn(t, ['receive', inbox], '0', env);
  for (let machine = 0; machine < 2; machine++) {
    const {code, stderr} = await run(t, ['send', file, '--to', ticket]);
    t.is(code, 0, stderr);
  }
  const names = (await run(t, ['peers', '--json'], env)).stdout;
  t.deepEqual(
    parseEvents(names).map(({name}) => name),
    [ownName, `${ownName}-2`, undefined],
  );
});

test('another key under a name that the user gave is refused before anything is written', async (t) => {
  const {file, inbox, env} = await prepare(t);
  const [alice, mallory] = [somebody(), somebody()];
  const before = await listenOn(t, ['receive', inbox, '--once'], '0', env);
  await send([file], {to: before.ticket, identity: alice, name: 'alice'}).finished();
  await before.process.ended();
  // A name of one's own, though it is the one that the peer has chosen.
  t.is((await run(t, ['peers', 'name', 'alice', 'alice'], env)).code, 0);
  const empty = join(inbox, 'empty');

  const {process: receiver, ticket} = await listenOn(t, ['receive', empty, '--once'], '0', env);
  const refused = send([file], {to: ticket, identity: mallory, name: ' ALICE'}).finished();

  const told = await t.throwsAsync(refused, {instanceOf: HawserError, message: /refused the transfer$/});
  t.is(told.code, 'REFUSED');
  const {code, stderr} = await receiver.ended();
  t.is(code, 4);
  const [known, offered] = [fingerprintOf(alice), fingerprintOf(mallory)];
  const line = `^hawser: 127\\.0\\.0\\.1:\\d+ comes as alice, whose key is ${known}, but has the key ${offered}; .+\n`;
  t.regex(
    stderr,
    new RegExp(`${line} {2}Somebody may be posing .+\n {2}Ask there what "hawser id" says`, 'm'),
  );
  // It may as well be another user of that machine.
  t.regex(
    stderr,
    /If that is another user or machine: hawser peers name alice NEW-NAME, and this name is free/,
  );
  t.notRegex(stderr, /is sending|same command|already delivered/);
  t.deepEqual(await readdir(empty), []);
  t.notRegex(await listed(t, env), new RegExp(offered));

  // Forgotten, the name is free again.
  t.regex((await run(t, ['peers', 'forget', 'alice'], env)).stderr, /^Forgot alice, /);
  const after = await listenOn(t, ['receive', empty, '--once'], '0', env);
  await send([file], {to: after.ticket, identity: mallory, name: 'alice'}).finished();
  t.is((await after.process.ended()).code, 0);
  t.deepEqual(await listDelivered(empty), ['file']);
});

test('a sharer gives nothing to another key under a name that its user gave', async (t) => {
  const {folder, file, env} = await prepare(t);
  const key = 'a'.repeat(52);
  await run(t, ['id'], env);
  await writeFile(
    join(env.HAWSER_CONFIG_DIR, 'known_peers'),
    `hawser known peers 1\n${key} ${ownName} named 2026-11-22 -\n`,
  );
  const {ticket} = await listenOn(t, ['share', file], '0', env);

  const {code, stderr} = await run(t, ['get', ticket, join(folder, 'downloads')]);

  t.is(code, 5, stderr);
  t.regex(stderr, /^hawser: the other side refused the transfer$/m);
  t.notRegex(stderr, /known|another key/);
  t.notRegex(stderr, /same command|already delivered/);
  t.deepEqual(await listDelivered(join(folder, 'downloads')), []);
});

test('a ticket for another key than is known at its address is not dialled', async (t) => {
  const {file, inbox, env, knownPeers} = await prepare(t);
  const hosts = ['--advertise', '192.0.2.77', '--advertise', 'host.invalid'];
  const {process: receiver, ticket} = await listenOn(t, ['receive', inbox, '--json', ...hosts]);
  const port = await receiver.said('stdout', /"port":(\d+)/);
  await run(t, ['id'], env);

  for (const address of [`192.0.2.77:${port}`, `HOST.invalid:${port}`]) {
    const known = `hawser known peers 1\n${'a'.repeat(52)} alice label 2026-11-22 ${address}\n`;
    await writeFile(knownPeers, known);
    const sent = await run(t, ['send', file, '--to', ticket], env);

    t.is(sent.code, 4, sent.stderr);
    t.is(sent.stdout, '');
    t.regex(
      sent.stderr,
      /^hawser: the key of alice at .+:\d+ has changed: it was (?:\w{4}-){3}\w{4}, and is /,
    );
    t.regex(sent.stderr, /is (?:\w{4}-){3}\w{4} now; .+ hawser peers forget alice\n/);
    t.is(await readFile(knownPeers, 'utf8'), known);
    const json = await run(t, ['send', file, '--to', ticket, '--json'], env);
    const [failed] = parseEvents(json.stdout);
    t.like(failed, {event: 'error', code: 'KEY_CHANGED', retryable: false});
    const {known: was, offered, ...where} = (failed ?? {})['mismatch'] as Record<string, string>;
    t.deepEqual(where, {name: 'alice', address: address.replace('HOST', 'host')});
    t.true(String(failed?.['message']).includes(`it was ${was}, and is ${offered} now`));
  }
});

const reachable = ownAddress === undefined ? test.skip : test;

reachable(
  'a receiver that was set up anew at its address is not dialled until it is forgotten',
  async (t) => {
    const {file, inbox, env} = await prepare(t);
    const address = ownAddress ?? '';
    const start = async (port = 0) => {
      const identity = somebody();
      const options = {directory: inbox, bind: [address], port, identity, name: 'nas'};
      return {receiver: await receive(options), identity};
    };
    const first = await start();
    const known = await run(t, ['send', file, '--to', first.receiver.ticket], env);
    t.is(known.code, 0, known.stderr);
    t.regex(await listed(t, env), new RegExp(`  label  nas +${address}:${first.receiver.port}\n$`));
    await first.receiver.close();

    const second = await start(first.receiver.port);
    t.teardown(() => second.receiver.close());
    const {ticket} = second.receiver;
    const stopped = await run(t, ['send', file, '--to', ticket], env);
    t.is(stopped.code, 4, stopped.stderr);
    for (const {identity} of [first, second]) t.regex(stopped.stderr, new RegExp(fingerprintOf(identity)));
    // The other side saw nothing of it; from where nothing is known, it is just a new one.
    t.is((await run(t, ['send', file, '--to', ticket])).code, 0);

    t.is((await run(t, ['peers', 'forget', 'NAS'], env)).code, 0);
    t.is((await run(t, ['send', file, '--to', ticket], env)).code, 0);
    t.regex(await listed(t, env), new RegExp(fingerprintOf(second.identity)));
  },
);

test('where nothing can be remembered, that is a notice and no failure', async (t) => {
  const {folder, file, inbox} = await prepare(t);
  const nowhere = {HAWSER_CONFIG_DIR: join(folder, 'file/config')};
  const {process: receiver, ticket} = await listenOn(t, ['receive', inbox], '0', nowhere);

  for (let time = 0; time < 2; time++) {
    const sent = await run(t, ['send', file, '--to', ticket], nowhere);
    t.is(sent.code, 0, sent.stderr);
    t.regex(sent.stderr, /^hawser: .+ is not remembered: cannot change .+known_peers: .+$/m);
  }
  receiver.kill('SIGINT');
  const {code, stderr} = await receiver.ended();
  t.is(code, 0);
  t.is(stderr.match(/is not remembered/g)?.length, 1);
});

test('a list with a broken line is an error that names it, and stays', async (t) => {
  const {folder, file, inbox, env, knownPeers} = await prepare(t);
  const {ticket} = await listenOn(t, ['receive', inbox]);
  await run(t, ['id'], env);
  const text = `hawser known peers 1\n${'a'.repeat(52)} al\u202eice named 2026-11-22 -\n`;
  await writeFile(knownPeers, text);

  const commands = [
    ['send', file, '--to', ticket],
    ['get', ticket, folder],
    ['receive', inbox],
    ['share', file],
    ['peers'],
    ['peers', 'name', 'alice', 'bob'],
    ['peers', 'forget', 'alice'],
  ];
  for (const args of commands) {
    const {code, stdout, stderr} = await run(t, args, env);
    t.is(code, 7, args.join(' '));
    t.is(stdout, '');
    t.regex(
      stderr,
      /^hawser: .+known_peers cannot be read, and stays as it is: line 2: the second field is no name;/,
    );
    t.is(await readFile(knownPeers, 'utf8'), text);
  }
});

test('peers --json prints events, and nothing else', async (t) => {
  const {env, knownPeers} = await prepare(t);
  await run(t, ['id'], env);
  const publicKey = 'a'.repeat(52);
  await writeFile(knownPeers, `hawser known peers 1\n${publicKey} vm label 2026-11-22 nas.example:7707\n`);
  const peer = {v: 1, event: 'known', publicKey, lastSeen: '2026-11-22', address: 'nas.example:7707'};

  const list = await run(t, ['peers', '--json'], env);
  const named = await run(t, ['peers', 'name', publicKey, 'nas', '--json'], env);
  const forgotten = await run(t, ['peers', '--json', 'forget', 'nas'], env);
  const unknown = await run(t, ['peers', 'forget', 'nas', '--json'], env);

  t.like(parseEvents(list.stdout), [
    {...peer, action: 'listed', name: 'vm', named: false},
    {v: 1, event: 'peers', peers: 1},
  ]);
  t.like(parseEvents(named.stdout), [{...peer, action: 'named', name: 'nas', named: true}]);
  t.like(parseEvents(forgotten.stdout), [{...peer, action: 'forgotten', name: 'nas'}]);
  t.is(unknown.code, 2);
  t.like(parseEvents(unknown.stdout), [{event: 'error', code: 'INVALID_OPTION'}]);
  t.is([list, named, forgotten, unknown].map(({stderr}) => stderr).join(''), '');
});

test('a name that cannot be, and a peer that is not known, are 2', async (t) => {
  const {env, knownPeers} = await prepare(t);
  await run(t, ['id'], env);
  const text = `hawser known peers 1\n${'a'.repeat(52)} a label 2026-11-22 -\n${'b'.repeat(51)}a b label 2026-11-22 -\n`;
  await writeFile(knownPeers, text);

  const wrong: readonly (readonly [string[], RegExp])[] = [
    [['name', 'a', 'B'], /another peer has the name B/],
    [['name', 'a', '\x1b[2J'], /"\\u\{1b\}\[2J" cannot be a name/],
    [['name', 'a', 'hawser1x'], /cannot be a name/],
    [['name', 'c', 'd'], /no known peer .+ "c"\n {2}"hawser peers" lists/],
    [['forget', ''], /no known peer .+ ""/],
  ];
  for (const [args, explanation] of wrong) {
    const {code, stderr} = await run(t, ['peers', ...args], env);
    t.is(code, 2, stderr);
    t.regex(stderr, explanation);
  }
  t.is(await readFile(knownPeers, 'utf8'), text);
});

/** A process that remembers peers without end, and says so. */
const remembering = `
import {generateKeyPairSync} from 'node:crypto';
import {KnownPeers, publicIdentity} from 'hawser';
const [file, count] = process.argv.slice(-2);
const peers = new KnownPeers(file);
for (let number = 0; number < Number(count); number++) {
  const {publicKey, fingerprint} = publicIdentity(generateKeyPairSync('x25519').privateKey);
  await peers.remember({publicKey, fingerprint, name: 'vm', address: '192.0.2.1:1'});
  console.log(publicKey);
}`;

test('processes that remember at the same time lose nothing, killed or not', async (t) => {
  const {env, folder} = await prepare(t);
  await run(t, ['id'], env);
  const path = join(env.HAWSER_CONFIG_DIR, 'known_peers');
  const script = join(folder, 'remember.mjs');
  await writeFile(script, remembering.replace("'hawser'", JSON.stringify(import.meta.resolve('hawser'))));
  const start = (count: number) => startNode(t, [script, path, String(count)]);

  const killed = start(1_000_000);
  const others = Array.from({length: 3}, () => start(8));
  await killed.until((stdout) => stdout.split('\n').length > 10);
  killed.kill('SIGKILL');
  const results = await Promise.all([...others, killed].map((one) => one.ended()));

  const {stdout} = await run(t, ['peers', '--json'], env);
  const known = new Set(parseEvents(stdout).map(({publicKey}) => publicKey));
  const said = results.flatMap((result) => result.stdout.split('\n')).filter((key) => key.length === 52);
  t.deepEqual(
    results.slice(0, 3).map(({code}) => code),
    [0, 0, 0],
  );
  t.true(said.length >= 24 + 10);
  for (const key of said) t.true(known.has(key), key);
});
