import type {Data} from './data.ts';
import type {Machine} from './machine.ts';
import type {Options} from './options.ts';
import type {Result, Spread} from './results.ts';
import {text} from './text.ts';

/** Everything that was measured. */
export interface Report {
  readonly date: string;
  readonly machine: Machine;
  readonly options: Options;
  readonly line: string;
  readonly fileSystem: string;
  readonly cells: readonly {
    readonly title: string;
    readonly data: Pick<Data, 'files' | 'bytes'>;
    readonly results: readonly Result[];
    readonly failures: Readonly<Record<string, string>>;
  }[];
  /** What was left out, and how to install it. */
  readonly missing: Readonly<Record<string, readonly string[]>>;
}

export function toMarkdown(report: Report): string {
  const {machine, options, missing} = report;
  const flushed = options.sync
    ? 'with the flush of the file system at the end'
    : 'without a flush at the end';
  const runs = report.cells.flatMap(({results}) => results).flatMap((result) => result.runs);
  const lines = [
    `## ${options.workload}`,
    '',
    `${report.date}, ${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ${machine.kernel}, ` +
      `Node ${machine.node}, ${machine.congestionControl}. To ${report.fileSystem}, ${flushed}, over ${report.line}. ` +
      `Rounds: ${options.rounds}, interleaved. Steal: ${most(runs.map((run) => run.stealPercent))} % at most; ` +
      `load before a run: ${most(runs.map((run) => run.loadBefore))} at most.`,
  ];
  for (const {title, data, results, failures} of report.cells) {
    lines.push('', `### ${title}: ${text.count(data.files, 'file')}, ${text.count(data.bytes, 'byte')}`, '');
    lines.push(...table(results));
    for (const [name, failure] of Object.entries(failures)) {
      lines.push('', `${name} failed: ${failure.replaceAll('\n', ' ')}`);
    }
  }
  for (const [name, programs] of Object.entries(missing)) {
    lines.push('', `${name} was not there: it needs ${programs.join(', ')}.`);
  }
  return `${lines.join('\n')}\n`;
}

const columns: Readonly<Record<string, (result: Result) => string>> = {
  '': ({name, encrypted}) => (encrypted ? name : `${name} (not encrypted)`),
  'median time, s': ({seconds}) => seconds.median.toFixed(3),
  'min to max, s': ({seconds}) => `${seconds.min.toFixed(3)} to ${seconds.max.toFixed(3)}`,
  'MB/s': ({bytesPerSecond}) => text.rate(bytesPerSecond),
  'files/s': ({filesPerSecond}) => (filesPerSecond === undefined ? '' : text.count(filesPerSecond)),
  'CPU, s': ({cpuSeconds}) => cpuSeconds.median.toFixed(2),
  'sender, MiB': ({senderPeakBytes}) => peak(senderPeakBytes),
  'receiver, MiB': ({receiverPeakBytes}) => peak(receiverPeakBytes),
  'to best peer': ({toBestPeer}) => ratio(toBestPeer),
  'to best encrypted': ({toBestEncryptedPeer}) => ratio(toBestEncryptedPeer),
  'to ceiling': ({toCeiling}) => ratio(toCeiling),
};

function table(results: readonly Result[]): readonly string[] {
  const names = Object.keys(columns);
  return [
    row(names),
    row(names.map((name) => (name ? '--:' : '---'))),
    ...results.map((result) => row(Object.values(columns).map((cell) => cell(result)))),
  ];
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

/** The most of all rounds; an end that was no process of its own has none. */
function peak({max}: Spread): string {
  return max > 0 ? text.mebibytes(max) : '';
}

function ratio(value: number | undefined): string {
  return value === undefined ? '' : text.ratio(value);
}

function most(values: readonly number[]): string {
  return Math.max(0, ...values).toFixed(1);
}
