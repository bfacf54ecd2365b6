import type {Data} from './data.ts';
import type {Run, Series} from './rounds.ts';

/** Median, least and most. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** What became of one contender. */
export interface Result {
  readonly name: string;
  readonly role: string;
  readonly encrypted: boolean;
  readonly seconds: Spread;
  readonly bytesPerSecond: number;
  /** Of several. */
  readonly filesPerSecond?: number | undefined;
  /** Of both ends together. */
  readonly cpuSeconds: Spread;
  readonly senderPeakBytes: Spread;
  readonly receiverPeakBytes: Spread;
  /** Its rate over that of the fastest peer; of the fastest that encrypts; of the ceiling. */
  readonly toBestPeer?: number | undefined;
  readonly toBestEncryptedPeer?: number | undefined;
  readonly toCeiling?: number | undefined;
  readonly runs: readonly Run[];
}

/** The results of all that had at least one good run, in the order of the contenders. */
export function summarize(all: readonly Series[], {bytes, files}: Data): readonly Result[] {
  const played = all.filter(({runs}) => runs.length > 0);
  const best = (fits: (series: Series) => boolean): number | undefined => {
    const times = played.filter(fits).map(({runs}) => spread(runs, ({seconds}) => seconds).median);
    return times.length > 0 ? Math.min(...times) : undefined;
  };
  const bestPeer = best(({peer}) => peer.role === 'peer');
  const bestEncryptedPeer = best(({peer}) => peer.role === 'peer' && peer.encrypted);
  const ceiling = best(({peer}) => peer.role === 'ceiling');

  return played.map(({peer, runs}) => {
    const seconds = spread(runs, (run) => run.seconds);
    const to = (other: number | undefined): number | undefined => other && other / seconds.median;
    return {
      name: peer.name,
      role: peer.role,
      encrypted: peer.encrypted,
      seconds,
      bytesPerSecond: bytes / seconds.median,
      filesPerSecond: files > 1 ? files / seconds.median : undefined,
      cpuSeconds: spread(runs, ({sender, receiver}) => sender.cpuSeconds + receiver.cpuSeconds),
      senderPeakBytes: spread(runs, ({sender}) => sender.peakBytes),
      receiverPeakBytes: spread(runs, ({receiver}) => receiver.peakBytes),
      toBestPeer: to(bestPeer),
      toBestEncryptedPeer: to(bestEncryptedPeer),
      toCeiling: to(ceiling),
      runs,
    };
  });
}

function spread(runs: readonly Run[], figure: (run: Run) => number): Spread {
  const sorted = runs.map(figure).toSorted((one, other) => one - other);
  const at = (position: number): number => sorted[position] ?? NaN;
  const middle = (sorted.length - 1) / 2;
  return {
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    min: at(0),
    max: at(sorted.length - 1),
  };
}
