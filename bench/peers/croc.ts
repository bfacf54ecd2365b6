import {freePort} from '../line.ts';
import type {Peer} from './peer.ts';

/** Over the relay that the sender opens, as it is between two machines of one network. */
export const croc: Peer = {
  name: 'croc',
  role: 'peer',
  encrypted: true,
  programs: {croc: 'go install github.com/schollz/croc/v10@latest'},

  async run(ends, {shares: [share = ''], target, line, scratch}) {
    const env = {HOME: scratch, CROC_SECRET: 'bench-secret-words'};
    const port = String(await freePort());
    const relay = ['--relay', `${line.senderHost}:${port}`];
    ends.startClock();
    const sender = ends.send(
      [
        'croc',
        '--yes',
        '--disable-clipboard',
        '--ignore-stdin',
        '--local',
        ...relay,
        'send',
        '--port',
        port,
        share,
      ],
      {env},
    );
    await sender.said(/Code is|croc bench/i);
    const receiver = ends.receive(
      [
        'croc',
        '--yes',
        '--disable-clipboard',
        '--ignore-stdin',
        '--local',
        '--ip',
        `${line.senderHost}:${port}`,
        '--out',
        target,
      ],
      {env, cwd: target},
    );
    await Promise.all([sender.ended(), receiver.ended()]);
  },
};
