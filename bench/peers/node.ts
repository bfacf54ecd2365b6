import {fileURLToPath} from 'node:url';
import {freePort} from '../line.ts';
import type {Peer} from './peer.ts';

const program = fileURLToPath(new URL('node-copy.js', import.meta.url));

/** What people write by hand: bench/peers/node-copy.ts. */
export const plainNode: Peer = {
  name: 'plain Node',
  role: 'peer',
  encrypted: true,
  programs: {},

  async run(ends, {shares: [share = ''], target, line}) {
    const [host, port] = [line.host, String(await freePort())];
    const receiver = ends.receive([process.execPath, program, 'receive', host, port, target]);
    await receiver.said(/listening/);
    ends.startClock();
    await ends.send([process.execPath, program, 'send', host, port, share]).ended();
    await receiver.ended();
  },
};
