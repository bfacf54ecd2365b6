import {hostname} from 'node:os';
import {join} from 'node:path';
import test from 'ava';
import {listenOn, parseEvents, run} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {writeFiles} from './helpers/tree.ts';

test('--json prints events, and nothing else, on both sides', async (t) => {
  const folder = makeFolder(t);
  await writeFiles(folder, {file: 'file'});
  const {process: receiver, ticket} = await listenOn(t, [
    'receive',
    join(folder, 'inbox'),
    '--once',
    '--json',
  ]);

  const sent = await run(t, ['send', join(folder, 'file'), '--to', ticket, '--json']);
  const received = await receiver.ended();

  t.like(parseEvents(received.stdout)[0], {v: 1, event: 'listening', ticket});
  for (const {code, stdout, stderr} of [sent, received]) {
    t.is(code, 0);
    t.is(stderr, '');
    const events = parseEvents(stdout);
    t.true(events.every(({v}) => v === 1));
    const first = (kind: string) => events.find(({event}) => event === kind);
    t.like(first('peer'), {transfer: 1, name: hostname()});
    t.like(first('progress'), {transfer: 1});
    t.like(first('entry'), {transfer: 1, path: 'file', kind: 'file', size: 4, fate: 'delivered'});
    t.like(events.at(-1), {event: 'finished', transfer: 1, files: 1, bytes: 4, bytesMoved: 4, failed: 0});
  }
});

test('--json tells which entries failed and why, on both sides', async (t) => {
  const folder = makeFolder(t);
  const {process: receiver, ticket} = await listenOn(t, [
    'receive',
    join(folder, 'inbox'),
    '--once',
    '--json',
  ]);

  await writeFiles(folder, {file: 'file'});
  const paths = [join(folder, 'gone'), join(folder, 'file')];
  const sent = await run(t, ['send', ...paths, '--to', ticket, '--json']);

  for (const {code, stdout} of [sent, await receiver.ended()]) {
    t.is(code, 8);
    const events = parseEvents(stdout);
    t.like(
      events.find(({fate}) => fate === 'failed'),
      {v: 1, event: 'entry', path: 'gone', code: 'SOURCE_GONE'},
    );
    t.like(events.at(-1), {v: 1, event: 'finished', files: 1, bytes: 4, failed: 1});
  }
});

test('--json prints failures as events too', async (t) => {
  const {code, stdout, stderr} = await run(t, ['send', 'package.json', '--to', 'hawser1nonsense', '--json']);

  t.is(code, 2);
  t.is(stderr, '');
  t.like(parseEvents(stdout)[0], {v: 1, event: 'error', code: 'TICKET_INVALID', retryable: false});
});
