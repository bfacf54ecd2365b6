import {EventEmitter, once} from 'node:events';
import {mkdirSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import test, {type ExecutionContext} from 'ava';
import {
  get,
  receive,
  send,
  share,
  type Offer,
  type OfferAnswer,
  type Receiver,
  type Transfer,
} from '../src/index.ts';
import {makeFolder} from './helpers/folder.ts';
import {loopback} from './helpers/loopback.ts';
import {runNode} from './helpers/process.ts';
import {assertSameTree, listDelivered, writeFiles} from './helpers/tree.ts';

interface Asked {
  readonly folder: string;
  readonly inbox: string;
  readonly receiver: Receiver;
  /** What arrives, by its sender's own account of it. */
  readonly incoming: Promise<Transfer>;
}

async function startAsking(
  t: ExecutionContext,
  onOffer: (offer: Offer) => OfferAnswer | Promise<OfferAnswer>,
): Promise<Asked> {
  const folder = makeFolder(t);
  const inbox = join(folder, 'inbox');
  await writeFiles(folder, {'tree/one': 'one', 'tree/folder/two': 'two two', 'tree/folder/three': ''});
  const receiver = await receive({directory: inbox, bind: loopback, name: 'sink', onOffer});
  t.teardown(() => receiver.close());
  return {folder, inbox, receiver, incoming: first(receiver)};
}

async function first(receiver: Receiver): Promise<Transfer> {
  for await (const transfer of receiver) return transfer;
  throw new Error('closed');
}

function sendTree({folder, receiver}: Asked): Transfer {
  return send([join(folder, 'tree')], {to: receiver.ticket, name: 'source', retryMs: 0});
}

test('an offer says who and what, before anything is written, and is received when accepted', async (t) => {
  let inboxThen: string[] | undefined;
  let offered: Offer | undefined;
  const asked = await startAsking(t, (offer) => {
    inboxThen = readdirSync(asked.inbox);
    offered = offer;
    return true;
  });

  const sending = sendTree(asked);
  let acceptedLast = false;
  for await (const {accepted} of sending.progress(10)) acceptedLast = accepted;
  const {files, bytes} = await sending.finished();

  t.true(acceptedLast);
  t.deepEqual(inboxThen, []);
  t.like(offered, {peer: {name: 'source'}, files: 3, folders: 2, links: 0, bytes: 10, complete: true});
  const entries = offered?.entries.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  t.deepEqual(entries, [
    {path: 'tree', kind: 'folder', size: 0},
    {path: 'tree/folder', kind: 'folder', size: 0},
    {path: 'tree/folder/three', kind: 'file', size: 0},
    {path: 'tree/folder/two', kind: 'file', size: 7},
    {path: 'tree/one', kind: 'file', size: 3},
  ]);
  t.deepEqual([files, bytes], [3, 10]);
  await (await asked.incoming).finished();
  await assertSameTree(t, join(asked.inbox, 'tree'), join(asked.folder, 'tree'));
  t.false(offered?.signal.aborted, 'it was answered');
});

test('while an offer is not answered, neither side has it for accepted', async (t) => {
  const user = new EventEmitter();
  const isAsked = once(user, 'asked');
  const asked = await startAsking(t, async () => {
    const answered = once(user, 'answered');
    user.emit('asked');
    await answered;
    return true;
  });
  const [sending, incoming] = [sendTree(asked), await asked.incoming];
  await isAsked;

  for (const transfer of [sending, incoming]) {
    for await (const {state, walking, accepted} of transfer.progress(10)) {
      t.false(accepted);
      if (state === 'running' && (transfer === incoming || !walking)) break;
    }
  }
  user.emit('answered');

  for (const transfer of [sending, incoming]) {
    await transfer.finished();
    for await (const {accepted} of transfer.progress()) t.true(accepted);
  }
});

test('a refused offer fails on both sides, with the reason, and nothing is written', async (t) => {
  for (const [answer, there, here] of [
    [
      {accept: false, reason: 'the disk is small'},
      /refused the transfer: the disk is small$/,
      /: the disk is small$/,
    ],
    [false, /refused the transfer$/, /refused here$/],
  ] as const) {
    const asked = await startAsking(t, () => answer);

    const sent = await t.throwsAsync(sendTree(asked).finished(), {message: there});
    const received = await t.throwsAsync((await asked.incoming).finished(), {message: here});

    for (const error of [sent, received]) t.like(error, {code: 'REFUSED', retryable: false});
    t.deepEqual(readdirSync(asked.inbox), []);
  }
});

test('an offer is received into another folder', async (t) => {
  const asked = await startAsking(t, () => ({
    accept: true,
    directory: pathToFileURL(join(asked.folder, 'some/where')),
  }));

  await sendTree(asked).finished();
  await asked.receiver.close();

  t.deepEqual(await listDelivered(join(asked.folder, 'some/where')), ['tree']);
  t.deepEqual(readdirSync(asked.inbox), []);
});

test('another folder in which somebody receives is not written into', async (t) => {
  const asked = await startAsking(t, () => ({accept: true, directory: join(asked.folder, 'taken')}));
  const other = await receive({directory: join(asked.folder, 'taken'), bind: loopback});
  t.teardown(() => other.close());

  await t.throwsAsync(sendTree(asked).finished(), {name: 'HawserError', code: 'REFUSED'});
  await t.throwsAsync((await asked.incoming).finished(), {name: 'HawserError', code: 'FOLDER_IN_USE'});
});

test('dropped entries fail on both sides, and the rest arrives', async (t) => {
  const asked = await startAsking(t, () => ({accept: true, drop: ['tree/folder']}));

  const sent = await sendTree(asked).finished();
  const received = await (await asked.incoming).finished();

  for (const {files, failed} of [sent, received]) {
    t.is(files, 1);
    const codes = failed.map(({path, code}) => `${path} ${code}`).toSorted();
    t.deepEqual(codes, ['tree/folder DECLINED', 'tree/folder/three DECLINED', 'tree/folder/two DECLINED']);
  }
  t.deepEqual(readdirSync(join(asked.inbox, 'tree')), ['one']);
});

const failures: Readonly<Record<string, [() => OfferAnswer | Promise<OfferAnswer>, RegExp]>> = {
  'that throws': [
    () => {
      throw new Error('no idea');
    },
    /onOffer failed: no idea$/,
  ],
  'that rejects': [
    async () => Promise.reject(new TypeError('no such thing')),
    /onOffer failed: no such thing$/,
  ],
  'that rejects with nothing': [async () => Promise.reject(undefined), /onOffer failed: undefined$/],
  'that answers nothing': [() => undefined as unknown as OfferAnswer, /onOffer failed: an answer must be/],
  'with an empty folder': [() => ({accept: true, directory: ''}), /onOffer failed: a path is empty$/],
  'with entries that are no paths': [
    () => ({accept: true, drop: [7 as unknown as string]}),
    /onOffer failed: .*[Ss]tring/,
  ],
};

for (const [which, [onOffer, message]] of Object.entries(failures)) {
  test(`an onOffer ${which} refuses, and the error is told to nobody but its user`, async (t) => {
    const asked = await startAsking(t, onOffer);

    const sent = await t.throwsAsync(sendTree(asked).finished());
    const received = await t.throwsAsync((await asked.incoming).finished());

    t.like(sent, {code: 'REFUSED', message: 'the other side refused the transfer: it could not decide'});
    t.like(received, {code: 'REFUSED'});
    t.regex(received.message, message);
    t.true('cause' in received);
    if (received.cause instanceof Error) t.true(received.message.endsWith(received.cause.message));
    t.deepEqual(readdirSync(asked.inbox), []);
  });
}

test('an onOffer that never answers keeps nobody from closing', async (t) => {
  let told: (offer: Offer) => void;
  const offered = new Promise<Offer>((resolve) => (told = resolve));
  const asked = await startAsking(t, (offer) => {
    told(offer);
    return new Promise<never>(() => {});
  });
  const sent = sendTree(asked);
  const offer = await offered;

  await asked.receiver.close();

  t.true(offer.signal.aborted);
  await t.throwsAsync(sent.finished(), {name: 'HawserError', code: 'CONNECTION_LOST'});
  await t.throwsAsync((await asked.incoming).finished(), {name: 'HawserError', code: 'CANCELLED'});
  t.deepEqual(readdirSync(asked.inbox), []);
});

test('an offer whose peer has gone is withdrawn, and an answer after that is no matter', async (t) => {
  const asked = await startAsking(t, async ({signal}) => {
    void sent.close();
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    return true;
  });
  const sent = sendTree(asked);

  await t.throwsAsync((await asked.incoming).finished(), {name: 'HawserError', code: 'REFUSED'});
  await asked.receiver.close();
  t.deepEqual(readdirSync(asked.inbox), []);
});

function onlyFile(): OfferAnswer {
  return {accept: true, drop: ['tree/other']};
}

test('whoever fetches may be asked, too', async (t) => {
  const folder = makeFolder(t);
  mkdirSync(join(folder, 'tree'));
  await writeFiles(folder, {'tree/file': 'file', 'tree/other': 'other'});
  const sharer = await share([join(folder, 'tree')], {bind: loopback});
  t.teardown(() => sharer.close());
  const directory = join(folder, 'inbox');

  const {files, failed} = await get(sharer.ticket, {directory, onOffer: onlyFile}).finished();
  const refused = get(sharer.ticket, {directory, onOffer: () => false}).finished();

  t.is(files, 1);
  t.deepEqual(
    failed.map(({code}) => code),
    ['DECLINED'],
  );
  await t.throwsAsync(refused, {name: 'HawserError', code: 'REFUSED'});
});

test('an onOffer that is no function is an option of the wrong kind', async (t) => {
  const directory = makeFolder(t);
  const onOffer = 'yes' as unknown as () => boolean;
  await t.throwsAsync(receive({directory, bind: loopback, onOffer}), {
    name: 'HawserError',
    code: 'INVALID_OPTION',
  });
});

test('Node ends by itself after a transfer that was asked about', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const api = pathToFileURL('build/src/index.js').href;
  const code = `
    import {get, receive, send, share} from ${JSON.stringify(api)};
    const [folder] = process.argv.slice(1);
    const bind = ['127.0.0.1'];
    const receiver = await receive({directory: folder + '/inbox', bind, onOffer: () => true});
    await send([folder + '/file'], {to: receiver.ticket}).finished();
    await receiver.close();
    const sharer = await share([folder + '/file'], {bind});
    await get(sharer.ticket, {directory: folder + '/other', onOffer: async () => true}).finished();
    await sharer.close();
    const closed = await receive({directory: folder + '/inbox', bind, onOffer: () => {
      closed.close();
      return new Promise(() => {});
    }});
    await send([folder + '/file'], {to: closed.ticket, retryMs: 0}).finished().catch(() => {});`;

  const result = await runNode(t, ['--input-type=module', '--eval', code, folder]);

  t.deepEqual(result, {code: 0, stdout: '', stderr: ''});
});
