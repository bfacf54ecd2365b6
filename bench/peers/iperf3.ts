import {freePort} from '../line.ts';
import type {Peer} from './peer.ts';

/** What the line carries over so many connections, from memory to memory. */
export function iperf3(connections: number): Peer {
  return {
    name: `iperf3 -P ${connections}`,
    role: 'ceiling',
    encrypted: false,
    programs: {iperf3: 'apt install iperf3'},
    leavesNothing: true,

    async run(ends, {line, bytes}) {
      const port = String(await freePort());
      await ends.receive(['iperf3', '-s', '-1', '-p', port, '--forceflush']).said(/listening/);
      ends.startClock();
      const options = ['-p', port, '-P', String(connections), '-n', String(bytes), '-J'];
      const client = ends.send(['iperf3', '-c', line.host, ...options]);
      await client.ended();
      // Its own figure, which leaves out setting up and exchanging results.
      ends.setSeconds((bytes * 8) / receivedRate(client.output));
    },
  };
}

function receivedRate(output: string): number {
  const [, rate] = /"sum_received":[^}]*"bits_per_second":\s*([\d.e+]+)/.exec(output) ?? [];
  return Number(rate);
}
