import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {commandLine, hawserOnTerminal, onTerminal, run} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {writeFiles} from './helpers/tree.ts';

/** The program `script` of this kind is on every Linux. */
const linux = process.platform === 'linux' ? test : test.skip;

/** A terminal as a shell leaves it to the programs that it starts. */
const cooked = / isig icanon iexten echo /;

async function prepare(t: ExecutionContext) {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const listen = ['receive', join(folder, 'inbox'), '--bind', '127.0.0.1', '--port', '0'];
  return {folder, file: join(folder, 'file'), listen};
}

/** A ticket, and later another. */
const twoTickets = /(hawser1\w+)[^]+in its place:\s+(hawser1\w+)/;

linux('the key r revokes the ticket, and the new one is shown and kept', async (t) => {
  const {folder, file, listen} = await prepare(t);
  const ticketFile = join(folder, 'ticket');
  const receiver = hawserOnTerminal(t, [...listen, '--ticket-file', ticketFile]);
  await receiver.said('stdout', /press r to revoke/);
  const old = await receiver.said('stdout', /hawser1\w+/);
  t.is((await run(t, ['send', file, '--to', old])).code, 0);

  receiver.type('r');
  const ticket = await receiver.said('stdout', /in its place:\s+(hawser1\w+)/);

  t.not(ticket, old);
  t.is(await readFile(ticketFile, 'utf8'), `${ticket}\n`);
  t.is((await run(t, ['send', file, '--to', old])).code, 4);
  t.is((await run(t, ['send', file, '--to', ticket])).code, 0);
  receiver.type('\u0003');
  t.is((await receiver.ended()).code, 0);
});

linux('the key r ends a code, too', async (t) => {
  const {file, listen} = await prepare(t);
  const receiver = hawserOnTerminal(t, [...listen, '--code']);
  await receiver.said('stdout', /press r to revoke the code/);
  const address = await receiver.said('stdout', /^(127\S+) /m);
  const old = await receiver.said('stdout', /^127\S+ (\S+)/m);
  receiver.type('r');
  const code = await receiver.said('stdout', /That code is revoked.+\s+127\S+ (\S+)/);

  t.is((await run(t, ['send', file, '--to', address, '--code'], {HAWSER_CODE: old})).code, 4);
  t.is((await run(t, ['send', file, '--to', address, '--code'], {HAWSER_CODE: code})).code, 0);
});

linux('the terminal is as it was, however a listener ends', async (t) => {
  const {file, listen} = await prepare(t);
  const ways: readonly ((listener: ReturnType<typeof onTerminal>, ticket: string) => unknown)[] = [
    (listener) => listener.type('\u0003'),
    (listener) => listener.type('\u001C'),
    async (listener) => process.kill(Number(await listener.said('stdout', /pid (\d+)/)), 'SIGTERM'),
    (_, ticket) => run(t, ['send', file, '--to', ticket]),
  ];
  for (const way of ways) {
    const shell = onTerminal(
      t,
      `trap : INT QUIT; (ulimit -c 0; echo pid $BASHPID; exec ${commandLine([...listen, '--once'])}); stty -a | tr '\\n' ' '; echo over`,
    );
    const ticket = await shell.said('stdout', /hawser1\w+/);
    await shell.said('stdout', /press r/);
    await way(shell, ticket);
    const {stdout} = await shell.ended();
    t.regex(stdout.slice(stdout.indexOf('press r')), cooked);
    t.regex(stdout, /over/);
  }
});

linux('Ctrl-Z stops a listener with the terminal as it was, and it goes on in the foreground', async (t) => {
  const {listen} = await prepare(t);
  const shell = onTerminal(
    t,
    `set -m; ${commandLine(listen)}; stty -a | tr '\\n' ' '; echo stopped; fg; stty -a | tr '\\n' ' '; echo over`,
  );
  await shell.said('stdout', /press r/);
  shell.type('\u001A');
  await shell.said('stdout', / isig icanon iexten echo [^]+stopped/);

  // Until it has taken the terminal again, the line of the terminal holds it back.
  shell.type('r');
  await shell.said('stdout', twoTickets);
  shell.type('\u0003');
  const {stdout} = await shell.ended();
  t.regex(stdout.slice(stdout.indexOf('in its place')), cooked);
});

linux('a listener in the background leaves the keys to the foreground', async (t) => {
  const {file, listen} = await prepare(t);
  const shell = onTerminal(
    t,
    `set -m; ${commandLine(listen)} & read -r line; echo read $line; kill -INT %1; wait %1; echo over $?`,
  );
  const ticket = await shell.said('stdout', /hawser1\w+/);
  t.is((await run(t, ['send', file, '--to', ticket])).code, 0);
  shell.type('r\n');
  const {stdout} = await shell.ended();
  t.regex(stdout, /read r\r\n/);
  t.regex(stdout, /over 0/);
  t.notRegex(stdout, /press r|in its place/);
});
