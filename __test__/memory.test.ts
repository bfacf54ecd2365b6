import test from 'ava';
import {Memory} from '../src/cli/known-peers.ts';
import {identityText} from '../src/cli/wording.ts';
import {publicIdentity, type Peer} from '../src/index.ts';
import {makeFolder} from './helpers/folder.ts';
import {somebody} from './helpers/peers.ts';

function peerCalled(name: string): Peer {
  return {...publicIdentity(somebody()), name, address: '192.0.2.1:1'};
}

test('whoever is asked about is new until something was accepted', async (t) => {
  process.env['HAWSER_CONFIG_DIR'] = makeFolder(t);
  const memory = new Memory(({event}) => t.fail(event));
  const peer = peerCalled('vm');

  for (let time = 0; time < 2; time++) {
    const met = [memory.recall(peer), memory.meet(peer, false)];
    for (const known of await Promise.all(met))
      t.deepEqual(known, {knownAs: null, named: false, isNew: true});
  }
  const [first, second] = await Promise.all([memory.meet(peer, true), memory.meet(peer, true)]);

  t.deepEqual(first, {knownAs: 'vm', named: false, isNew: true});
  t.deepEqual(second, {...first, isNew: false});
  t.deepEqual(await memory.recall(peer), second);
});

test('only a name that the user gave is shown as one', (t) => {
  const peer = peerCalled('b"ob');
  const {fingerprint} = peer;
  const stranger = {...peer, knownAs: null, named: false, isNew: true};
  const known = {...peer, knownAs: 'bob', isNew: false};

  t.is(identityText(stranger), `192.0.2.1:1 (calls itself "b\\u{22}ob", key ${fingerprint}, new)`);
  t.is(identityText({...stranger, name: ''}), `192.0.2.1:1 (key ${fingerprint}, new)`);
  t.is(identityText({...known, named: false}), `192.0.2.1:1 (calls itself "b\\u{22}ob", key ${fingerprint})`);
  t.is(identityText({...known, named: true}), `bob (192.0.2.1:1, key ${fingerprint})`);
});
