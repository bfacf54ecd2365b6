import {startSshd, sshPrograms} from '../sshd.ts';
import type {Peer} from './peer.ts';

/** scp with its default cipher, or another one. */
export function scp(cipher?: string): Peer {
  return {
    name: cipher ? `scp ${cipher.replace(/@.*/, '')}` : 'scp',
    role: 'peer',
    encrypted: true,
    programs: {...sshPrograms, scp: 'apt install openssh-client'},
    many: true,

    async run(ends, job) {
      const ssh = await startSshd(ends, job);
      const options = [...ssh, ...(cipher ? ['-c', cipher] : []), '-r', '-q'];
      ends.startClock();
      await Promise.all(
        job.shares.map((share) => ends.send(['scp', ...options, share, `bench:${job.target}`]).ended()),
      );
    },
  };
}
