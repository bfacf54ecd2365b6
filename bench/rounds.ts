import {execFile} from 'node:child_process';
import {mkdir, rm, statfs} from 'node:fs/promises';
import {basename, join} from 'node:path';
import {promisify} from 'node:util';
import type {Data} from './data.ts';
import {Ends, type Taken} from './ends.ts';
import type {Line} from './line.ts';
import {watchSurroundings, type Surroundings} from './machine.ts';
import type {Options} from './options.ts';
import type {Peer} from './peers/peer.ts';
import {isEnding} from './process.ts';
import {text} from './text.ts';

const run = promisify(execFile);

/** One run that went well. */
export interface Run extends Taken, Surroundings {
  readonly round: number;
}

/** All runs of one contender with one set of data. */
export interface Series {
  readonly peer: Peer;
  readonly runs: Run[];
  /** Why there are no more. */
  failure?: string;
}

export interface Setting {
  readonly options: Options;
  readonly contenders: readonly Peer[];
  readonly data: Data;
  readonly line: Line;
  readonly again: boolean;
  /** Where to receive. */
  readonly inbox: string;
  readonly scratch: string;
}

/** Lets all contenders send the same, in turn, and again; whoever fails is left out from then on. */
export async function playRounds(setting: Setting): Promise<readonly Series[]> {
  const all: Series[] = setting.contenders.map((peer) => ({peer, runs: []}));
  for (let round = 1; round <= setting.options.rounds; round++) {
    for (const [index, series] of all.entries()) {
      if (series.failure !== undefined) continue;
      const name = `${round}-${index}`;
      try {
        const taken = await playOne(setting, series.peer, name);
        series.runs.push({...taken, round});
        console.log(`round ${round}: ${series.peer.name}: ${text.seconds(taken.seconds)}`);
      } catch (error) {
        if (isEnding()) throw error;
        series.failure = error instanceof Error ? error.message : String(error);
        console.log(`round ${round}: ${series.peer.name} failed: ${series.failure}`);
      }
      await clearUp(setting, join(setting.inbox, name));
    }
  }
  return all;
}

async function playOne(setting: Setting, peer: Peer, name: string): Promise<Taken & Surroundings> {
  const {inbox, data, again} = setting;
  const target = join(inbox, name);
  await mkdir(target, {recursive: true});
  if (again) await playCounted(setting, peer, target, `${name}-first`);
  // What earlier runs left to be written is not to be written at this one's expense.
  await flush(inbox);
  const surroundings = watchSurroundings();
  const taken = await playCounted(setting, peer, target, name);
  const result = {...taken, ...surroundings()};
  if (!peer.leavesNothing) await compare(data, target);
  return result;
}

async function playCounted(setting: Setting, peer: Peer, target: string, name: string): Promise<Taken> {
  const {data, line, options} = setting;
  const scratch = join(setting.scratch, name);
  await mkdir(scratch, {recursive: true});
  const ends = new Ends(line);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    void ends.close().catch(() => {});
  }, options.timeoutSeconds * 1000);
  try {
    await peer.run(ends, {shares: data.shares, target, line, scratch, bytes: data.bytes});
    ends.stopClock();
    if (options.sync) ends.addSeconds(await flush(target));
  } catch (error) {
    if (!late) throw error;
  } finally {
    clearTimeout(timer);
    await ends.close().catch(() => {});
  }
  // Many programs do not complain when they are told to end.
  if (late) throw new Error(`it took longer than ${options.timeoutSeconds} s`);
  if (isEnding()) throw new Error('interrupted');
  return ends.close();
}

/** Writes out what the page cache holds of the file system of a folder; gives the seconds it took. */
async function flush(folder: string): Promise<number> {
  const startedAt = performance.now();
  await run('sync', ['-f', folder]);
  return (performance.now() - startedAt) / 1000;
}

/** Compares names and bytes. Times, modes, and whether a link is still one, are not every tool's business. */
async function compare(data: Data, target: string): Promise<void> {
  for (const share of data.shares) {
    await run('diff', ['-r', '-q', share, join(target, basename(share))]).catch(
      ({stdout, stderr}: {stdout: string; stderr: string}) => {
        throw new Error(`it delivered something else: ${(stdout + stderr).slice(0, 500)}`);
      },
    );
  }
}

/**
 * On a disk, many small files stay until the end: creating files in ext4 is several times slower right after many were
 * deleted. Large ones go at once, as does everything in memory, and everything when space runs short.
 */
async function clearUp({inbox, data}: Setting, target: string): Promise<void> {
  const {bavail, bsize} = await statfs(inbox);
  const ample = bavail * bsize > 4 * data.bytes + 10 * 2 ** 30;
  if (data.files > 1000 && ample) return;
  await rm(target, {recursive: true, force: true});
}
