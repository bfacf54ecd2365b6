import {basename, dirname} from 'node:path';
import {freePort} from '../line.ts';
import {startSshd, sshPrograms} from '../sshd.ts';
import {quote, type Job, type Peer} from './peer.ts';

export const tarSsh: Peer = {
  name: 'tar through ssh',
  role: 'peer',
  encrypted: true,
  programs: {...sshPrograms, tar: 'apt install tar'},

  async run(ends, job) {
    const ssh = ['ssh', ...(await startSshd(ends, job)), 'bench', unpack(job)].map(quote).join(' ');
    ends.startClock();
    await ends.send(shell(`${pack(job)} | ${ssh}`)).ended();
  },
};

/** As fast as the network and the disk alone allow; nobody should send files like this. */
export const tarNc: Peer = {
  name: 'tar through nc',
  role: 'peer',
  encrypted: false,
  programs: {tar: 'apt install tar', nc: 'apt install netcat-openbsd'},

  async run(ends, job) {
    const {host} = job.line;
    const port = await freePort();
    const receiver = ends.receive(shell(`nc -n -v -l ${host} ${port} | ${unpack(job)}`));
    await receiver.said(/listening on/i);
    ends.startClock();
    await ends.send(shell(`${pack(job)} | nc -n -N ${host} ${port}`)).ended();
    await receiver.ended();
  },
};

function pack({shares: [share = '']}: Job): string {
  return `tar -C ${quote(dirname(share))} -cf - ${quote(basename(share))}`;
}

function unpack({target}: Job): string {
  return `tar -C ${quote(target)} -xf -`;
}

function shell(script: string): readonly string[] {
  return ['sh', '-c', script];
}
