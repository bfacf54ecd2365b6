import {execFileSync} from 'node:child_process';
import {createPrivateKey, generateKeyPairSync} from 'node:crypto';
import {chmod, mkdir, readFile, readdir, rename, rm, stat, utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {publicIdentity} from '../src/index.ts';
import {hawser, listenOn, parseEvents, run} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {pseudoRandom, writeFiles} from './helpers/tree.ts';

const posix = process.platform === 'win32' ? test.skip : test;
const linux = process.platform === 'linux' ? test : test.skip;

/** The fingerprints that a receiver has seen, in order. */
async function fingerprints(
  t: ExecutionContext,
  send: (ticket: string) => Promise<void>,
): Promise<unknown[]> {
  const {process: receiver, ticket} = await listenOn(t, ['receive', makeFolder(t), '--json']);
  await send(ticket);
  receiver.kill('SIGINT');
  const {stdout} = await receiver.ended();
  return parseEvents(stdout)
    .filter(({event}) => event === 'peer')
    .map(({fingerprint}) => fingerprint);
}

test('a user has one key for all commands, made at the first', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const env = {HAWSER_CONFIG_DIR: join(folder, 'config/hawser')};
  const path = join(env.HAWSER_CONFIG_DIR, 'identity.pem');

  const seen = await fingerprints(t, async (ticket) => {
    await run(t, ['send', join(folder, 'file'), '--to', ticket], env);
    await run(t, ['send', join(folder, 'file'), '--to', ticket], env);
    await rm(path);
    await run(t, ['send', join(folder, 'file'), '--to', ticket], env);
  });

  t.is(seen.length, 3);
  t.is(seen[0], seen[1]);
  t.not(seen[1], seen[2]);
  t.regex(await readFile(path, 'utf8'), /^-----BEGIN PRIVATE KEY-----\n/);
  if (process.platform === 'win32') return;
  t.is((await stat(path)).mode & 0o777, 0o600);
  t.is((await stat(env.HAWSER_CONFIG_DIR)).mode & 0o777, 0o700);
});

test('commands that start at the same time end up with the same key', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const env = {HAWSER_CONFIG_DIR: join(folder, 'config')};

  const seen = await fingerprints(t, async (ticket) => {
    const sent = Array.from({length: 6}, () => run(t, ['send', join(folder, 'file'), '--to', ticket], env));
    for (const {code, stderr} of await Promise.all(sent)) t.is(code, 0, stderr);
  });

  t.is(seen.length, 6);
  t.is(new Set(seen).size, 1);
  const kept = ['identity.pem', 'known_peers', 'known_peers.lock'];
  t.deepEqual(await readdir(env.HAWSER_CONFIG_DIR), kept);
});

test('a key that others may read, or that is none, is an error and stays', async (t) => {
  const folder = makeFolder(t);
  const path = join(folder, 'identity.pem');
  const env = {HAWSER_CONFIG_DIR: folder};
  await writeFile(path, 'no key', {mode: 0o600});

  const unusable = await run(t, ['receive', folder], env);
  t.is(unusable.code, 7);
  t.regex(unusable.stderr, /identity\.pem holds no X25519 private key/);
  t.is(await readFile(path, 'utf8'), 'no key');

  if (process.platform === 'win32') return;
  await chmod(path, 0o644);
  const readable = await run(t, ['receive', folder], env);
  t.is(readable.code, 7);
  t.regex(readable.stderr, /others have access to .+identity\.pem/);
});

posix('a key that is a pipe or a device is none, and nobody waits for it', async (t) => {
  const folder = makeFolder(t);
  const path = join(folder, 'identity.pem');
  execFileSync('mkfifo', ['-m', '600', path]);
  const {code, stderr} = await run(t, ['id'], {HAWSER_CONFIG_DIR: folder});
  t.is(code, 7);
  t.regex(stderr, /^hawser: cannot read .+identity\.pem: it is no file\n/);
});

posix('a relative XDG_CONFIG_HOME is none', async (t) => {
  const home = makeFolder(t);
  const env = {HAWSER_CONFIG_DIR: '', XDG_CONFIG_HOME: 'relative', HOME: home};
  const {stdout} = await run(t, ['id', '--json'], env);
  const path = process.platform === 'darwin' ? 'Library/Application Support' : '.config';
  t.like(JSON.parse(stdout), {path: join(home, path, 'hawser/identity.pem')});
});

test('why a key cannot be read is said in words', async (t) => {
  const folder = makeFolder(t);
  const path = join(folder, 'identity.pem');
  await mkdir(path, {mode: 0o700});

  const {code, stderr} = await run(t, ['id'], {HAWSER_CONFIG_DIR: folder});

  t.is(code, 7);
  t.regex(stderr, /^hawser: cannot read .+identity\.pem: [a-z ]+\n/);
  t.notRegex(stderr, /E[A-Z]{4,}|port/);
});

test('where no key can be kept, a new one is used, and said to be', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const {ticket} = await listenOn(t, ['receive', join(folder, 'inbox')]);

  const {code, stderr} = await run(t, ['send', join(folder, 'file'), '--to', ticket], {
    HAWSER_CONFIG_DIR: join(folder, 'file/config'),
  });

  t.is(code, 0, stderr);
  t.regex(stderr, /^hawser: using a new key this time, as it cannot be kept: /);
});

test('a config folder that is none is said, too', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const {ticket} = await listenOn(t, ['receive', join(folder, 'inbox')]);

  const {code, stderr} = await run(t, ['send', join(folder, 'file'), '--to', ticket], {
    HAWSER_CONFIG_DIR: join(folder, 'file'),
  });

  t.is(code, 0, stderr);
  t.regex(stderr, /^hawser: using a new key this time, as it cannot be kept: not a directory$/m);
});

linux('a config folder that cannot be made anywhere is said, too', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const {ticket} = await listenOn(t, ['receive', join(folder, 'inbox')]);

  const {code, stderr} = await run(t, ['send', join(folder, 'file'), '--to', ticket], {
    HAWSER_CONFIG_DIR: '/proc/none/hawser',
  });

  t.is(code, 0, stderr);
  t.regex(stderr, /^hawser: using a new key this time, as it cannot be kept: no such file or directory$/m);
});

/** Makes Node find no home folder, as for a number without a name in a container. */
const homeless = {
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(`
    import os from 'node:os';
    import {syncBuiltinESMExports} from 'node:module';
    os.homedir = () => { throw new Error('no home'); };
    syncBuiltinESMExports();`)}`,
  HAWSER_CONFIG_DIR: undefined,
  XDG_CONFIG_HOME: undefined,
  APPDATA: undefined,
};

test('a user without a home gets a new key, and no kept ticket', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const {ticket} = await listenOn(t, ['receive', join(folder, 'inbox')]);

  const sent = await run(t, ['send', join(folder, 'file'), '--to', ticket], homeless);
  t.is(sent.code, 0, sent.stderr);
  t.regex(sent.stderr, /^hawser: using a new key this time, as it cannot be kept: no home/);

  const args = ['receive', join(folder, 'other'), '--ticket-file', join(folder, 'ticket')];
  const received = await run(t, args, homeless);
  t.is(received.code, 7);
  t.regex(received.stderr, /^hawser: cannot keep the key .+: no home; set HAWSER_CONFIG_DIR /);
});

test('a ticket for a key that cannot be kept is not kept either', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});

  const {code, stdout, stderr} = await run(
    t,
    ['receive', join(folder, 'inbox'), '--ticket-file', join(folder, 'ticket')],
    {HAWSER_CONFIG_DIR: join(folder, 'file/config')},
  );

  t.is(code, 7, stderr);
  t.is(stdout, '');
  t.regex(stderr, /^hawser: cannot keep the key .+; set HAWSER_CONFIG_DIR to a folder for it\n/);
  t.deepEqual(await readdir(folder), ['file']);
});

test('a ticket that cannot be kept ends the listener before anyone learns of it', async (t) => {
  const folder = makeFolder(t);
  const args = ['receive', join(folder, 'inbox'), '--bind', '127.0.0.1', '--port', '0'];

  const {code, stdout, stderr} = await run(t, [...args, '--ticket-file', join(folder, 'none/ticket')]);

  t.is(code, 7, stderr);
  t.is(stdout, '');
  t.regex(stderr, /^hawser: cannot keep the ticket in .+none\/ticket: no such file or directory$/m);
});

linux('a key that another process is just writing is waited for', async (t) => {
  const folder = makeFolder(t);
  const pem = generateKeyPairSync('x25519').privateKey.export({type: 'pkcs8', format: 'pem'}).toString();
  const path = join(folder, 'identity.pem');
  const accessed = async (): Promise<bigint> => (await stat(path, {bigint: true})).atimeNs;
  const since = async (before: bigint): Promise<void> => {
    while ((await accessed()) === before);
  };
  await writeFile(path, pem.slice(0, 40), {mode: 0o600});
  await utimes(path, 0, 0);
  await readFile(path);
  if ((await accessed()) === 0n) return t.log('this file system does not tell when a file was read');
  await utimes(path, 0, 0);

  const shown = run(t, ['id', '--json'], {HAWSER_CONFIG_DIR: folder});
  // It has found half of the key.
  await since(0n);
  await writeFile(join(folder, 'whole'), pem, {mode: 0o600});
  await rename(join(folder, 'whole'), path);

  const {code, stdout, stderr} = await shown;
  t.is(code, 0, stderr);
  t.like(JSON.parse(stdout), publicIdentity(createPrivateKey(pem)));
});

test('a kept ticket is the same when the receiver is started again', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {one: pseudoRandom(1000), two: '2'});
  const env = {HAWSER_CONFIG_DIR: join(folder, 'config')};
  const args = ['receive', join(folder, 'inbox'), '--ticket-file', join(folder, 'ticket')];

  const first = await listenOn(t, args, '0', env);
  t.is((await run(t, ['send', join(folder, 'one'), '--to', first.ticket])).code, 0);
  first.process.kill('SIGINT');
  t.is((await first.process.ended()).code, 0);
  t.is(await readFile(join(folder, 'ticket'), 'utf8'), `${first.ticket}\n`);
  if (process.platform !== 'win32') t.is((await stat(join(folder, 'ticket'))).mode & 0o777, 0o600);

  const again = hawser(t, [...args, '--bind', '127.0.0.1'], env);
  t.is(await again.said('stdout', /hawser1\w+/), first.ticket);
  t.is((await run(t, ['send', join(folder, 'two'), '--to', first.ticket])).code, 0);

  // Its port is part of the ticket: another would not do.
  const second = await run(t, [...args, '--bind', '127.0.0.1'], env);
  t.is(second.code, 7);
  t.regex(second.stderr, /in use/);
});

posix('a ticket file that others can read is an error and stays', async (t) => {
  const folder = makeFolder(t);
  const path = join(folder, 'ticket');
  const args = ['receive', join(folder, 'inbox'), '--ticket-file', path];
  const {process: receiver} = await listenOn(t, args);
  receiver.kill('SIGINT');
  await receiver.ended();

  await chmod(path, 0o644);
  const {code, stdout, stderr} = await run(t, args);
  t.is(code, 7);
  t.is(stdout, '');
  t.regex(stderr, /^hawser: others have access to .+\/ticket: make it "chmod 600"\n/);
});

test('a ticket file of another user, or without a ticket, is an error and stays', async (t) => {
  const folder = makeFolder(t);
  const path = join(folder, 'ticket');
  const args = ['receive', join(folder, 'inbox'), '--ticket-file', path];
  const {process: receiver, ticket} = await listenOn(t, args);
  receiver.kill('SIGINT');
  await receiver.ended();

  const other = await run(t, args);
  t.is(other.code, 2);
  t.regex(
    other.stderr,
    /the ticket in .+\/ticket is one of another identity than that in .+\/identity\.pem: /,
  );
  t.is(await readFile(path, 'utf8'), `${ticket}\n`);

  await writeFile(path, 'no ticket');
  const none = await run(t, args);
  t.is(none.code, 7);
  t.regex(none.stderr, /holds no ticket/);
  t.is(await readFile(path, 'utf8'), 'no ticket');
});
