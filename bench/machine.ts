import {execFileSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {arch, cpus, loadavg, release, totalmem} from 'node:os';

/** Where it ran. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly congestionControl: string;
}

export function describeMachine(): Machine {
  return {
    processor: `${cpus()[0]?.model ?? 'unknown'} (${arch()})`,
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    congestionControl: readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim(),
  };
}

/** The kind of the file system that a folder is on. */
export function fileSystem(folder: string): string {
  return execFileSync('stat', ['-f', '-c', '%T', folder], {encoding: 'utf8'}).trim();
}

/** What else was going on during a run. */
export interface Surroundings {
  /** Processor time that the host of a virtual machine gave to others, in percent. */
  readonly stealPercent: number;
  /** Average number of processes that ran or wanted to, over a minute, when the run began. */
  readonly loadBefore: number;
}

/** Begins to watch; call the result when the run is over. */
export function watchSurroundings(): () => Surroundings {
  const [loadBefore = NaN] = loadavg();
  const before = readTicks();
  return () => {
    const after = readTicks();
    const stealPercent = (100 * (after.stolen - before.stolen)) / (after.all - before.all);
    return {stealPercent, loadBefore};
  };
}

function readTicks(): {all: number; stolen: number} {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  // user nice system idle iowait irq softirq steal; what follows is part of user and nice.
  const ticks = line.split(/\s+/).slice(1, 9).map(Number);
  return {all: ticks.reduce((sum, each) => sum + each, 0), stolen: ticks[7] ?? 0};
}
