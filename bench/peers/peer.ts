import {accessSync, constants} from 'node:fs';
import {delimiter, join} from 'node:path';
import type {Ends} from '../ends.ts';
import type {Line} from '../line.ts';

/** One run: what is to be sent, and where to. */
export interface Job {
  /** Files or folders, each for a sender of its own; all but one workload have one. */
  readonly shares: readonly string[];
  /** The folder to receive into. It exists, and is empty unless it is the same job again. */
  readonly target: string;
  readonly line: Line;
  /** An empty folder for keys, settings and the like. */
  readonly scratch: string;
  /** Bytes of all shares. */
  readonly bytes: number;
}

/** Something to be measured. */
export interface Peer {
  readonly name: string;
  /** A bound is not a tool that someone would use instead; the ceiling is the bound that hawser is held against. */
  readonly role: 'hawser' | 'peer' | 'bound' | 'ceiling';
  readonly encrypted: boolean;
  /** The programs that it needs, and how to install each. */
  readonly programs: Readonly<Record<string, string>>;
  /** Sends only what is not there yet. */
  readonly skips?: boolean;
  /** Receives from many senders at once. */
  readonly many?: boolean;
  /** Leaves nothing in the target to compare. */
  readonly leavesNothing?: boolean;

  /**
   * Sends all shares into the target, starts the clock when a user would start the sender, and returns when the
   * transfer is complete. What it leaves running is stopped afterwards, with the clock stopped.
   */
  run(ends: Ends, job: Job): Promise<void>;
}

/** What a peer needs and does not find, and how to get it. */
export function missing(peer: Peer): readonly string[] {
  return Object.entries(peer.programs)
    .filter(([program]) => !findProgram(program))
    .map(([program, advice]) => `${program} (${advice})`);
}

/** Where a program is. System folders count too, since sshd is often only there. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A word for a POSIX shell. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
