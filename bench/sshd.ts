import {execFileSync} from 'node:child_process';
import {existsSync, mkdirSync, rmdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {Ends} from './ends.ts';
import {freePort} from './line.ts';
import {findProgram, type Job} from './peers/peer.ts';
import {atEnd} from './tidy.ts';

/** What the peers over ssh need. */
export const sshPrograms = {
  ssh: 'apt install openssh-client',
  'ssh-keygen': 'apt install openssh-client',
  sshd: 'apt install openssh-server',
};

/** The options that make ssh, scp and the like find the host that `startSshd` started, under the name `bench`. */
export type SshOptions = readonly ['-F', string];

/** Starts an sshd of our own on the receiving host, with its own keys, port and settings. */
export async function startSshd(ends: Ends, {line, scratch}: Job): Promise<SshOptions> {
  const [hostKey, userKey, client, server] = ['host', 'user', 'client', 'server'].map((name) =>
    join(scratch, name),
  ) as [string, string, string, string];
  for (const key of [hostKey, userKey]) {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  }
  const port = await freePort();
  writeFileSync(server, lines(serverSettings(line.host, port, hostKey, `${userKey}.pub`)));
  writeFileSync(client, lines(clientSettings(line.host, port, userKey)));
  separatePrivileges();
  const sshd = ends.receive([findProgram('sshd') ?? 'sshd', '-D', '-e', '-f', server]);
  await sshd.said(/Server listening/);
  return ['-F', client];
}

function serverSettings(host: string, port: number, hostKey: string, userKey: string): Settings {
  return {
    ListenAddress: host,
    Port: port,
    HostKey: hostKey,
    AuthorizedKeysFile: userKey,
    PidFile: 'none',
    // The files are ours and in a folder that others may have created.
    StrictModes: 'no',
    UsePAM: 'no',
    PermitRootLogin: 'prohibit-password',
    PasswordAuthentication: 'no',
    Subsystem: 'sftp internal-sftp',
    // For many senders at once; the default turns some away.
    MaxStartups: 1000,
  };
}

function clientSettings(host: string, port: number, userKey: string): Settings {
  return {
    Host: 'bench',
    HostName: host,
    Port: port,
    IdentityFile: userKey,
    IdentitiesOnly: 'yes',
    BatchMode: 'yes',
    StrictHostKeyChecking: 'no',
    UserKnownHostsFile: '/dev/null',
    LogLevel: 'ERROR',
  };
}

type Settings = Readonly<Record<string, string | number>>;

function lines(settings: Settings): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} ${value}\n`)
    .join('');
}

/** Run by root, sshd wants this folder, which its service would make. */
function separatePrivileges(): void {
  if (process.getuid?.() !== 0 || existsSync('/run/sshd')) return;
  mkdirSync('/run/sshd', {mode: 0o755});
  atEnd(() => rmdirSync('/run/sshd'));
}
