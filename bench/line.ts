import {createServer} from 'node:net';
import {once} from 'node:events';
import {compileC} from './compile.ts';
import {MeasuredProcess} from './process.ts';

/** What joins the two ends. */
export interface Line {
  /** What a command on the sending host begins with. */
  readonly sender: readonly string[];
  readonly receiver: readonly string[];
  /** The address of the receiving host, as the sending one reaches it. */
  readonly host: string;
  /** The address of the sending host, as the receiving one reaches it. */
  readonly senderHost: string;
  readonly description: string;
}

/** A line to be emulated. */
export interface Wan {
  readonly rttMs: number;
  readonly rateMbit: number;
  readonly lossPercent: number;
}

/** Both ends on this host. */
export const loopback: Line = {
  sender: [],
  receiver: [],
  host: '127.0.0.1',
  senderHost: '127.0.0.1',
  description: 'loopback',
};

/** Two hosts of their own, joined by a line that bench/wanlab.c emulates. Needs root and iproute2. */
export async function openWan({rttMs, rateMbit, lossPercent}: Wan): Promise<Line> {
  if (process.getuid?.() !== 0) throw new Error('a line is emulated for root only: run it with sudo');
  const name = `hawser${process.pid}`;
  const options = {'--name': name, '--rtt': rttMs, '--rate': rateMbit, '--loss': lossPercent};
  const lab = new MeasuredProcess([compileC('wanlab'), ...Object.entries(options).flat().map(String)]);
  await lab.said(/^ready$/m);
  const inside = (side: string): string[] => ['ip', 'netns', 'exec', `${name}-${side}`];
  return {
    sender: inside('b'),
    receiver: inside('a'),
    host: '10.77.0.1',
    senderHost: '10.77.0.2',
    description: `${rttMs} ms round trip, ${rateMbit} Mbit/s, ${lossPercent} % of packets lost each way, emulated`,
  };
}

/** A port of the loopback interface that was free a moment ago; hosts of an emulated line have all of theirs free. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
