import {hawserCommand} from './hawser.ts';
import type {Peer} from './peer.ts';

/** How long a command takes that ends by itself. */
function command(name: string, role: Peer['role'], words: readonly string[]): Peer {
  return {
    name,
    role,
    encrypted: false,
    programs: {},
    leavesNothing: true,

    async run(ends) {
      ends.startClock();
      await ends.send(words).ended();
    },
  };
}

/** What starting costs: Node alone, the command, and a transfer for which both ends have yet to start. */
export const starts: readonly Peer[] = [
  command('node -e 0', 'ceiling', [process.execPath, '-e', '0']),
  command('hawser --version', 'hawser', [...hawserCommand, '--version']),
  {
    name: 'hawser receive and send',
    role: 'hawser',
    encrypted: true,
    programs: {},

    async run(ends, {shares: [share = ''], target, line}) {
      ends.startClock();
      const receiver = ends.receive([
        ...hawserCommand,
        'receive',
        target,
        '--bind',
        line.host,
        '--port',
        '0',
      ]);
      const ticket = await receiver.said(/hawser1\w+(?=\n)/);
      await ends.send([...hawserCommand, 'send', share], {env: {HAWSER_TICKET: ticket}}).ended();
    },
  },
];
