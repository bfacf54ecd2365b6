import {join} from 'node:path';
import {setTimeout} from 'node:timers/promises';
import type {ExecutionContext} from 'ava';
import {send} from '../../src/index.ts';
import {makeFolder} from './folder.ts';
import {startProxied} from './proxy.ts';
import {none, Tally} from './tally.ts';
import {differences} from './tree-state.ts';
import {pseudoRandom, writeFiles} from './tree.ts';

/** Carries nothing in the middle of a transfer for so many seconds, with all connections up. */
export async function partition(t: ExecutionContext, seconds: number): Promise<void> {
  const home = makeFolder(t);
  await writeFiles(home, {'tree/large': pseudoRandom(2 ** 25), 'tree/small': 'small'});
  const {receiver, proxy} = await startProxied(t, {directory: join(home, 'inbox')});
  const tally = new Tally(`nothing carried for ${seconds} s, during one transfer`);

  await tally.run('the transfer', async () => {
    const transfer = send([join(home, 'tree')], {to: receiver.ticket, lanes: 4});
    await proxy.until(() => proxy.carried('up') > 2 ** 24);
    proxy.hold('up', 'down');
    await proxy.until(() => proxy.isHolding('up'));
    // How long it lasts is what is tested.
    await setTimeout(seconds * 1000);
    proxy.release();
    const {failed} = await transfer.finished();
    none(
      'failed',
      failed.map(({path, code}) => `${path}: ${code}`),
    );
    none('other than sent', differences(join(home, 'inbox/tree'), join(home, 'tree')));
  });
  tally.finish(t);
}
