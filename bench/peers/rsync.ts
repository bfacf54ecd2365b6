import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {freePort} from '../line.ts';
import {startSshd, sshPrograms} from '../sshd.ts';
import {quote, type Peer} from './peer.ts';

const rsync = 'apt install rsync';

export const rsyncSsh: Peer = {
  name: 'rsync over ssh',
  role: 'peer',
  encrypted: true,
  programs: {...sshPrograms, rsync},
  skips: true,
  many: true,

  async run(ends, job) {
    const shell = ['ssh', ...(await startSshd(ends, job))].map(quote).join(' ');
    ends.startClock();
    const send = (share: string) =>
      ends.send(['rsync', '-a', '-e', shell, share, `bench:${job.target}`]).ended();
    await Promise.all(job.shares.map(send));
  },
};

export const rsyncDaemon: Peer = {
  name: 'rsync daemon',
  role: 'peer',
  encrypted: false,
  programs: {rsync},
  skips: true,
  many: true,

  async run(ends, {shares, target, line, scratch}) {
    const port = await freePort();
    const settings = join(scratch, 'rsyncd.conf');
    // As root it would otherwise become nobody, who may not write here, and without a chroot it would bend links.
    const ids = process.getuid?.() === 0 ? 'uid = root\ngid = root\n' : '';
    const module = `[target]\npath = ${target}\nread only = no\nmunge symlinks = no\n`;
    writeFileSync(settings, `${ids}use chroot = no\n${module}`);
    const daemon = ['rsync', '--daemon', '--no-detach', `--config=${settings}`, '--log-file=/dev/stdout'];
    const address = [`--address=${line.host}`, `--port=${port}`];
    // It opens its log by name, which works for the pipe of a shell, but not for the socket that Node provides.
    const script = `${[...daemon, ...address].map(quote).join(' ')} | cat`;
    await ends.receive(['sh', '-c', script]).said(/starting, listening/);
    ends.startClock();
    const url = `rsync://${line.host}:${port}/target/`;
    await Promise.all(shares.map((share) => ends.send(['rsync', '-a', share, url]).ended()));
  },
};
