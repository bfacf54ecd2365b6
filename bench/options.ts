import {parseArgs} from 'node:util';

/** What the command line says. */
export interface Options {
  readonly workload: string;
  readonly rounds: number;
  readonly folder: string;
  readonly out: string;
  readonly sync: boolean;
  readonly list: boolean;
  readonly timeoutSeconds: number;
  readonly peers?: readonly string[] | undefined;
  readonly size?: number | undefined;
  readonly files?: number | undefined;
  readonly senders?: readonly number[] | undefined;
  readonly tree?: string | undefined;
}

export const usage = `npm run bench -- [options]

  --workload NAME   what to send (default: large); --list names them all
  --rounds N        how often (default: 5)
  --size SIZE       bytes to send, such as 256M or 4G
  --files N         files to send
  --senders LIST    numbers of senders at once, such as 1,8,64
  --tree PATH       what to send for the workload mixed, such as node_modules
  --folder PATH     where to receive (default: build, on the disk of the clone; /dev/shm is memory)
  --peers LIST      whom to compare: every name that begins with one of these; what is missing is an error then
  --sync            the clock stops when "sync -f" has flushed the target's file system, for all
  --timeout N       seconds that one run may take (default: 600)
  --out PATH        where to write the results, as PATH.md and PATH.json (default: build/bench-WORKLOAD)
  --list            list workloads and peers, and what is missing
  --help            print this
`;

export function parseOptions(args: readonly string[]): Options | 'help' {
  const text = {type: 'string'} as const;
  const flag = {type: 'boolean'} as const;
  const {values} = parseArgs({
    args: [...args],
    options: {
      workload: text,
      rounds: text,
      size: text,
      files: text,
      senders: text,
      tree: text,
      folder: text,
      peers: text,
      timeout: text,
      out: text,
      sync: flag,
      list: flag,
      help: flag,
    },
  });
  if (values.help) return 'help';
  const workload = values.workload ?? 'large';
  return {
    workload,
    rounds: wholeNumber(values.rounds ?? '5'),
    folder: values.folder ?? 'build',
    out: values.out ?? `build/bench-${workload}`,
    sync: values.sync ?? false,
    list: values.list ?? false,
    timeoutSeconds: wholeNumber(values.timeout ?? '600'),
    peers: values.peers?.split(','),
    size: values.size === undefined ? undefined : bytes(values.size),
    files: values.files === undefined ? undefined : wholeNumber(values.files),
    senders: values.senders?.split(',').map(wholeNumber),
    tree: values.tree,
  };
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`${text} is not a whole number above 0`);
  return Number(text);
}

function bytes(text: string): number {
  const [, count, unit = ''] = /^([1-9]\d*)([KMG]?)$/.exec(text) ?? [];
  if (count === undefined) throw new Error(`${text} is not a size such as 256M`);
  return Number(count) * 1024 ** ['', 'K', 'M', 'G'].indexOf(unit);
}
