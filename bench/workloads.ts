import {existing, filePerSender, manyFiles, mixedTree, oneFile, type Data} from './data.ts';
import type {Wan} from './line.ts';
import type {Options} from './options.ts';
import {ceilings} from './peers/ceiling.ts';
import {tools} from './peers/index.ts';
import {iperf3} from './peers/iperf3.ts';
import type {Peer} from './peers/peer.ts';
import {starts} from './peers/start.ts';

/** A job that everything does in turn. */
export interface Workload {
  readonly summary: string;
  /** What is compared, each for itself. */
  readonly cells: (options: Options) => readonly Cell[];
  readonly wan?: Wan;
  /** First sends everything, uncounted, and counts sending it again. */
  readonly again?: boolean;
  /** Who takes part. Without it all tools do. */
  readonly contenders?: (write: 'cached' | 'direct') => readonly Peer[];
}

/** One set of data. */
export interface Cell {
  readonly title: string;
  readonly make: (folder: string) => Promise<Data>;
}

const [mib, gib] = [2 ** 20, 2 ** 30];
const longLine: Wan = {rttMs: 100, rateMbit: 1000, lossPercent: 0};
const lossyLine: Wan = {rttMs: 60, rateMbit: 500, lossPercent: 0.5};
const overWan = [...tools, ...[1, 4, 8].map(iperf3)];

export const workloads: Readonly<Record<string, Workload>> = {
  large: {
    summary: 'one file (4 GiB)',
    cells: ({size = 4 * gib}) => [largeFile(size)],
    contenders: (write) => [...tools, ...ceilings(write)],
  },
  small: {
    summary: 'files of 4 KiB in folders of 100 (100,000 files)',
    cells: ({files = 100_000}) => [smallFiles(files)],
  },
  mixed: {
    summary: 'a tree of files of all sizes (2 GiB), or the one given with --tree',
    cells: ({size = 2 * gib, tree}) => [
      {
        title: tree ?? 'a mixed tree',
        make: async (folder) => (tree ? existing(tree) : mixedTree(folder, size)),
      },
    ],
  },
  again: {
    summary: 'as small, but everything is there already',
    cells: ({files = 100_000}) => [smallFiles(files)],
    again: true,
    contenders: () => tools.filter(({skips}) => skips),
  },
  senders: {
    summary: '1, 8, 64 and 256 senders at once, 16 MiB each',
    cells: ({senders = [1, 8, 64, 256]}) =>
      senders.map((count) => ({
        title: count === 1 ? '1 sender' : `${count} senders`,
        make: (folder) => filePerSender(folder, count),
      })),
    contenders: () => tools.filter(({many}) => many),
  },
  start: {
    summary: 'what starting takes: a file of one byte, both ends cold',
    cells: () => [largeFile(1)],
    contenders: () => starts,
  },
  wan: {
    summary: 'one file (1 GiB) over a line of 100 ms and 1000 Mbit/s; for root',
    cells: ({size = gib}) => [largeFile(size)],
    wan: longLine,
    contenders: () => overWan,
  },
  'wan-lossy': {
    summary: 'one file (512 MiB) over a line of 60 ms and 500 Mbit/s that loses 0.5 %; for root',
    cells: ({size = 512 * mib}) => [largeFile(size)],
    wan: lossyLine,
    contenders: () => overWan,
  },
  'wan-small': {
    summary: 'files of 4 KiB (10,000), and one file as large as all of them, over the line of wan; for root',
    cells: ({files = 10_000}) => [smallFiles(files), largeFile(files * 4096)],
    wan: longLine,
  },
};

function largeFile(bytes: number): Cell {
  return {title: 'one file', make: (folder) => oneFile(folder, bytes)};
}

function smallFiles(files: number): Cell {
  return {title: 'files of 4 KiB', make: (folder) => manyFiles(folder, files)};
}
