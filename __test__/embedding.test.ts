import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import test, {type ExecutionContext} from 'ava';
import {hawser, listenOn, run} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {startNode, type Process, type Result} from './helpers/process.ts';
import {recordAsEmpty} from './helpers/record.ts';
import {assertSameBytes, pseudoRandom, writeFiles, writeSparse} from './helpers/tree.ts';

const api = JSON.stringify(pathToFileURL('build/src/index.js').href);

/** Starts a program with the API and `folder`, `ticket` in scope. */
function start(t: ExecutionContext, program: string, folder: string, ticket = ''): Process {
  const code = `
    import {receive, send, verify} from ${api};
    import {Worker} from 'node:worker_threads';
    const [folder, ticket] = process.argv.slice(1);
    const say = console.log;
    ${program}`;
  return startNode(t, ['--input-type=module', '--eval', code, folder, ticket]);
}

/** What a sender does, in a worker or not, until its bytes flow. */
const sending = `
  const transfer = send([folder + '/endless'], {to: ticket, limit: 50_000_000});
  for await (const {bytesDone} of transfer.progress(10)) if (bytesDone > 0) break;`;

/** What a receiver does, in a worker or not, until bytes come. */
const receiving = `
  const receiver = await receive({directory: folder + '/inbox', bind: ['127.0.0.1']});
  say(receiver.ticket);
  for await (const transfer of receiver) {
    for await (const {bytesDone} of transfer.progress(10)) if (bytesDone > 0) break;
    break;
  }`;

/** Ends a worker that is in the middle of something. */
function terminating(work: string): string {
  const code = `
    import {parentPort, workerData} from 'node:worker_threads';
    import {receive, send, verify} from ${api};
    const {folder, ticket} = workerData;
    const say = (text) => parentPort.postMessage(text);
    ${work}
    say('running');
    setInterval(() => {}, 1000);`;
  return `
    const worker = new Worker(${JSON.stringify(code)}, {eval: true, workerData: {folder, ticket}});
    await new Promise((resolve, reject) => {
      worker.on('message', (text) => (text === 'running' ? resolve() : say(text))).on('error', reject);
    });
    say('terminated', await worker.terminate());`;
}

/** Programs that end, one way or another, with transfers that run, and how. */
const ends = {
  'process.exit()': {end: 'process.exit(7);', code: 7, stderr: /^$/},
  'a thrown error': {
    end: "throw new Error('defect of the program');",
    code: 1,
    stderr: /defect of the program/,
  },
  'an error in a callback': {
    end: "setImmediate(() => { throw new Error('defect of the program'); }); await new Promise(() => {});",
    code: 1,
    stderr: /defect of the program/,
  },
};

for (const [how, {end, code, stderr}] of Object.entries(ends)) {
  test(`${how} in the middle of sending does no harm, and sending again completes`, async (t) => {
    const folder = makeFolder(t);
    writeSparse(join(folder, 'endless'), 2 ** 32);
    const {ticket} = await listenOn(t, ['receive', join(folder, 'inbox')]);

    const result = await start(t, `${sending} ${end}`, folder, ticket).ended();

    t.is(result.code, code, result.stderr);
    t.regex(result.stderr, stderr);
    await assertServes(t, folder, ticket);
  });

  test(`${how} in the middle of receiving does no harm`, async (t) => {
    const folder = makeFolder(t);
    writeSparse(join(folder, 'endless'), 2 ** 32);
    const receiver = start(t, `${receiving} ${end}`, folder);
    const ticket = await receiver.said('stdout', /hawser1\w+/);
    const sender = hawser(t, ['send', join(folder, 'endless'), '--to', ticket]);

    const result = await receiver.ended();

    t.is(result.code, code, result.stderr);
    t.regex(result.stderr, stderr);
    await assertTriesAgain(t, sender);
  });
}

test('a worker that is terminated in the middle of sending does no harm', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'endless'), 2 ** 32);
  const {ticket} = await listenOn(t, ['receive', join(folder, 'inbox')]);

  assertEnded(t, await start(t, terminating(sending), folder, ticket).ended());
  await assertServes(t, folder, ticket);
});

test('a worker that is terminated in the middle of receiving does no harm', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'endless'), 2 ** 32);
  const receiver = start(t, terminating(receiving), folder);
  const ticket = await receiver.said('stdout', /hawser1\w+/);
  const sender = hawser(t, ['send', join(folder, 'endless'), '--to', ticket]);

  assertEnded(t, await receiver.ended());
  await assertTriesAgain(t, sender);
});

test('what a worker has started ends with it, while the process lives', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'endless'), 2 ** 32);

  const program = `
    const receiver = await receive({directory: folder + '/inbox', bind: ['127.0.0.1']});
    { const {ticket} = receiver; ${terminating(sending)} }
    for await (const transfer of receiver) {
      await transfer.finished().catch(({code, message}) => say(code, message));
      break;
    }
    await receiver.close();`;
  const {code, stdout, stderr} = await start(t, program, folder).ended();

  t.is(code, 0, stderr);
  t.is(stdout, 'terminated 1\nCONNECTION_LOST the other side has gone away for a while\n');
});

/** What a process has open is seen on Linux only. */
const linux = process.platform === 'linux' ? test : test.skip;

linux('a verification ends with the worker that has started it', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'endless'), 2 ** 36);
  await recordAsEmpty(folder, 'endless');

  const verifying = `
    const verification = verify(folder);
    for await (const {bytesDone} of verification.progress(10)) if (bytesDone > 0) break;`;
  const program = `
    const {readdirSync, readlinkSync} = await import('node:fs');
    ${terminating(verifying)}
    const open = readdirSync('/proc/self/fd').map((fd) => {
      try {
        return readlinkSync('/proc/self/fd/' + fd);
      } catch {
        return 'closed';
      }
    });
    say('open', open.filter((path) => path.endsWith('/endless')).length);
    process.exit();`;
  const {code, stdout, stderr} = await start(t, program, folder).ended();

  t.is(code, 0, stderr);
  t.is(stdout, 'terminated 1\nopen 0\n');
});

test('workers come and go while another transfer of the process runs to its end', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'endless'), 2 ** 32);
  await writeFiles(folder, {large: pseudoRandom(20_000_000)});
  const {ticket} = await listenOn(t, ['receive', join(folder, 'inbox')]);

  const program = `
    const large = send([folder + '/large'], {to: ticket, limit: 8_000_000});
    for (let round = 0; round < 5; round++) { ${terminating(sending)} }
    console.log('delivered', (await large.finished()).bytes);`;
  const {code, stdout, stderr} = await start(t, program, folder, ticket).ended();

  t.is(code, 0, stderr);
  t.is(stderr, '');
  t.is(stdout, `${'terminated 1\n'.repeat(5)}delivered 20000000\n`);
  assertSameBytes(t, join(folder, 'inbox/large'), join(folder, 'large'));
});

/** The process has ended by itself and said nothing, above all nothing of a crash. */
function assertEnded(t: ExecutionContext, {code, stdout, stderr}: Result): void {
  t.is(code, 0, stderr);
  t.regex(stdout, /terminated 1\n$/);
  t.is(stderr, '');
}

/** The receiver that lost its sender takes the next. */
async function assertServes(t: ExecutionContext, folder: string, ticket: string): Promise<void> {
  await writeFiles(folder, {file: 'file'});
  const {code, stderr} = await run(t, ['send', join(folder, 'file'), '--to', ticket]);
  t.is(code, 0, stderr);
  assertSameBytes(t, join(folder, 'inbox/file'), join(folder, 'file'));
}

/** The sender that lost its receiver tries to go on. */
async function assertTriesAgain(t: ExecutionContext, sender: Process): Promise<void> {
  await sender.said('stderr', /Connection lost: trying again/);
  sender.kill('SIGINT');
  t.is((await sender.ended()).code, 130);
}
