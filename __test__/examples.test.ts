import {join, resolve} from 'node:path';
import test from 'ava';
import {makeFolder} from './helpers/folder.ts';
import {runNode, startNode} from './helpers/process.ts';
import {assertSameBytes} from './helpers/tree.ts';

test('the examples move both samples from one process to another', async (t) => {
  const folder = makeFolder(t);
  const receiver = startNode(t, [resolve('examples/receive.mjs'), folder, '127.0.0.1']);
  const ticket = await receiver.said('stdout', /^hawser1\w+$/m);

  const sent = await runNode(t, [resolve('examples/send.mjs'), ticket]);

  t.is(sent.code, 0, sent.stderr);
  t.regex(sent.stdout, /^sample\.txt: delivered$/m);
  t.regex(sent.stdout, /^sample2\.txt: delivered$/m);
  for (const name of ['sample.txt', 'sample2.txt'])
    assertSameBytes(t, join(folder, name), join('examples', name));

  await receiver.said('stderr', /^2 files, \d+ bytes from /m);
  receiver.kill('SIGINT');
  t.is((await receiver.ended()).code, 0);
});

test('the sending example tells what is wrong with a ticket', async (t) => {
  const sent = await runNode(t, [resolve('examples/send.mjs'), 'nonsense']);

  t.is(sent.code, 1);
  t.regex(sent.stderr, /^TICKET_INVALID: /);
});
