import {resolve} from 'node:path';
import type {Peer} from './peer.ts';

/** The command, as it is published. */
export const hawserCommand: readonly string[] = [process.execPath, resolve('dist/cli/main.js')];

export const hawser: Peer = {
  name: 'hawser',
  role: 'hawser',
  encrypted: true,
  programs: {},
  skips: true,
  many: true,

  async run(ends, {shares, target, line}) {
    const receiver = ends.receive([...hawserCommand, 'receive', target, '--bind', line.host, '--port', '0']);
    const ticket = await receiver.said(/hawser1\w+(?=\n)/);
    ends.startClock();
    const send = (share: string) =>
      ends.send([...hawserCommand, 'send', share], {env: {HAWSER_TICKET: ticket}}).ended();
    await Promise.all(shares.map(send));
  },
};
