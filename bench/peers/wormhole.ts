import {join} from 'node:path';
import {freePort} from '../line.ts';
import type {Peer} from './peer.ts';

const pip = 'pip install magic-wormhole magic-wormhole-mailbox-server';

/** With a mailbox server of its own; the data goes directly from end to end. */
export const wormhole: Peer = {
  name: 'magic-wormhole',
  role: 'peer',
  encrypted: true,
  programs: {wormhole: pip, twist: pip},

  async run(ends, {shares: [share = ''], target, line, scratch}) {
    const port = await freePort();
    const endpoint = `tcp:${port}:interface=${line.host}`;
    const mailbox = ends.help(
      ['twist', 'wormhole-mailbox', '--port', endpoint, '--channel-db', join(scratch, 'mailbox.sqlite')],
      {cwd: scratch},
    );
    await mailbox.said(/starting on/i);
    const env = {HOME: scratch, WORMHOLE_RELAY_URL: `ws://${line.host}:${port}/v1`};
    const direct = ['--transit-helper', `tcp:${line.host}:9`];
    const code = '1-bench-code';
    ends.startClock();
    const sender = ends.send(['wormhole', ...direct, 'send', '--hide-progress', '--code', code, share], {
      env,
      cwd: scratch,
    });
    const receiver = ends.receive(
      ['wormhole', ...direct, 'receive', '--hide-progress', '--accept-file', '-o', target, code],
      {env, cwd: target},
    );
    await Promise.all([sender.ended(), receiver.ended()]);
  },
};
