import test from 'ava';
import {Memory} from '../src/cli/known-peers.ts';
import {publicIdentity} from '../src/index.ts';
import {makeFolder} from './helpers/folder.ts';
import {somebody} from './helpers/peers.ts';

test('somebody new is new to both who ask at the same time', async (t) => {
  process.env['HAWSER_CONFIG_DIR'] = makeFolder(t);
  const memory = new Memory(({event}) => t.fail(event));

  for (let peers = 0; peers < 20; peers++) {
    const peer = {...publicIdentity(somebody()), name: 'vm', address: '192.0.2.1:1'};
    const [, recalled, again] = await Promise.all([
      memory.remember(peer),
      memory.recall(peer),
      memory.recall(peer),
    ]);
    t.true(recalled.isNew && again.isNew);
  }
});
