import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import test from 'ava';
import {receive, send, type Progress} from '../src/index.ts';
import {makeFolder} from './helpers/folder.ts';
import {loopback, startReceiver} from './helpers/loopback.ts';
import {runNode} from './helpers/process.ts';
import {writeFiles, writeSparse} from './helpers/tree.ts';

/** More than any test moves: what is sent from it must be ended by other means. */
const endlessBytes = 2 ** 32;

test('progress begins at once, never goes back, and its last snapshot is the end', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'file'), 2 ** 29);
  const receiver = await startReceiver(t, join(folder, 'inbox'));

  const transfer = send([join(folder, 'file')], {to: receiver.ticket});
  const snapshots: Progress[] = [];
  for await (const progress of transfer.progress()) snapshots.push(progress);
  await transfer.finished();

  const last = snapshots.at(-1);
  t.like(last, {state: 'ended', walking: false, filesDone: 1, filesTotal: 1, bytesDone: 2 ** 29, etaMs: 0});
  t.true(snapshots.length > 2);
  const counts = snapshots.map(({bytesDone}) => bytesDone);
  t.deepEqual(
    counts,
    counts.toSorted((a, b) => a - b),
  );
  t.true(snapshots.some(({bytesPerSecond}) => bytesPerSecond > 0));
});

test('leaving the progress loop does not end the transfer', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'file'), 2 ** 28);
  const receiver = await startReceiver(t, join(folder, 'inbox'));

  const transfer = send([join(folder, 'file')], {to: receiver.ticket});
  for await (const _ of transfer.progress()) break;

  t.is((await transfer.finished()).bytes, 2 ** 28);
});

test('progress of a transfer that has ended is one snapshot', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'done'});
  const receiver = await startReceiver(t, join(folder, 'inbox'));
  const transfer = send([join(folder, 'file')], {to: receiver.ticket});
  await transfer.finished();

  const states = [];
  for await (const {state} of transfer.progress()) states.push(state);

  t.deepEqual(states, ['ended']);
});

test('an aborted signal ends a transfer with its reason', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'endless'), endlessBytes);
  const receiver = await startReceiver(t, join(folder, 'inbox'));
  const controller = new AbortController();
  const reason = new Error('enough');

  const transfer = send([join(folder, 'endless')], {to: receiver.ticket, signal: controller.signal});
  for await (const {bytesDone} of transfer.progress()) {
    if (bytesDone > 0) controller.abort(reason);
  }

  t.is(await t.throwsAsync(transfer.finished()), reason);
});

test('a signal that is aborted already ends a transfer and opens no port', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'never sent'});
  const receiver = await startReceiver(t, join(folder, 'inbox'));
  const signal = AbortSignal.abort(new Error('before'));

  await t.throwsAsync(send([join(folder, 'file')], {to: receiver.ticket, signal}).finished(), {
    message: 'before',
  });
  await t.throwsAsync(receive({directory: join(folder, 'other'), bind: loopback, signal}), {
    message: 'before',
  });
});

test('disposing a running transfer cancels it', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'endless'), endlessBytes);
  const receiver = await startReceiver(t, join(folder, 'inbox'));
  let finished;
  {
    await using transfer = send([join(folder, 'endless')], {to: receiver.ticket});
    finished = transfer.finished();
  }
  await t.throwsAsync(finished, {name: 'HawserError', code: 'CANCELLED'});
});

test('closing a transfer twice, or after its end, does nothing more', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'sent'});
  const receiver = await startReceiver(t, join(folder, 'inbox'));

  const transfer = send([join(folder, 'file')], {to: receiver.ticket});
  await transfer.finished();
  await transfer.close();
  await transfer.close();

  t.is((await transfer.finished()).files, 1);
});

test('closing a receiver lets a running transfer end and takes no new ones', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'large'), 2 ** 29);
  const receiver = await startReceiver(t, join(folder, 'inbox'));
  const {ticket} = receiver;

  const transfer = send([join(folder, 'large')], {to: ticket});
  for await (const {bytesDone} of transfer.progress()) {
    if (bytesDone > 0) break;
  }
  const closed = receiver.close();

  await t.throwsAsync(send([join(folder, 'large')], {to: ticket}).finished(), {name: 'HawserError'});
  t.is((await transfer.finished()).bytes, 2 ** 29);
  await closed;
  await receiver.close();
});

test('aborting the signal of a receiver ends its transfers and its loop', async (t) => {
  const folder = makeFolder(t);
  writeSparse(join(folder, 'endless'), endlessBytes);
  const controller = new AbortController();
  const {signal} = controller;
  const receiver = await receive({directory: join(folder, 'inbox'), bind: loopback, signal});
  const transfer = send([join(folder, 'endless')], {to: receiver.ticket});

  const ends = [];
  for await (const incoming of receiver) {
    ends.push(t.throwsAsync(incoming.finished(), {message: 'closing time'}));
    controller.abort(new Error('closing time'));
  }

  t.is(ends.length, 1);
  await Promise.all(ends);
  await t.throwsAsync(transfer.finished(), {name: 'HawserError'});
});

const api = pathToFileURL('build/src/index.js').href;

/** Programs that end without being told to, each with a receiver's ticket and a folder in its arguments. */
const programs = {
  'after a transfer': `
    const receiver = await receive({directory: folder + '/inbox', bind: ['127.0.0.1']});
    await send([folder + '/file'], {to: receiver.ticket}).finished();
    await receiver.close();`,
  'after a transfer that nobody waits for': `
    const receiver = await receive({directory: folder + '/inbox', bind: ['127.0.0.1']});
    const transfer = send([folder + '/file'], {to: receiver.ticket});
    for await (const incoming of receiver) { await incoming.finished(); break; }
    await receiver.close();`,
  'after a failure that nobody looks at': `
    const receiver = await receive({directory: folder + '/inbox', bind: ['127.0.0.1']});
    await receiver.close();
    send([folder + '/file'], {to: receiver.ticket});`,
  'after breaking out of both loops': `
    const receiver = await receive({directory: folder + '/inbox', bind: ['127.0.0.1']});
    const transfer = send([folder + '/file'], {to: receiver.ticket});
    for await (const progress of transfer.progress()) break;
    for await (const incoming of receiver) break;
    await receiver.close();`,
  'after an abort': `
    const controller = new AbortController();
    const receiver = await receive({directory: folder + '/inbox', bind: ['127.0.0.1'], signal: controller.signal});
    send([folder + '/file'], {to: receiver.ticket, signal: controller.signal});
    controller.abort();`,
};

for (const [when, program] of Object.entries(programs)) {
  test(`Node ends by itself ${when}`, async (t) => {
    const folder = makeFolder(t);
    await writeFiles(folder, {file: 'file'});
    const code = `import {receive, send} from ${JSON.stringify(api)}; const [folder] = process.argv.slice(1); ${program}`;

    const result = await runNode(t, ['--input-type=module', '--eval', code, folder]);

    t.deepEqual(result, {code: 0, stdout: '', stderr: ''});
  });
}
