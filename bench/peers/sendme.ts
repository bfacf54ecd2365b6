import type {Peer} from './peer.ts';

/** Without relays, over a direct connection, as it finds one on one network. */
export const sendme: Peer = {
  name: 'sendme',
  role: 'peer',
  encrypted: true,
  programs: {sendme: 'cargo install sendme --locked'},

  async run(ends, {shares: [share = ''], target, line, scratch}) {
    const direct = ['--relay', 'disabled', '--no-progress'];
    ends.startClock();
    const sender = ends.send(
      [
        'sendme',
        'send',
        ...direct,
        '--ticket-type',
        'addresses',
        '--magic-ipv4-addr',
        `${line.senderHost}:0`,
        share,
      ],
      {cwd: scratch},
    );
    const ticket = await sender.said(/sendme receive (\S+)/);
    await ends.receive(['sendme', 'receive', ...direct, ticket], {cwd: target}).ended();
  },
};
