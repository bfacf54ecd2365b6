import type {Line} from './line.ts';
import {MeasuredProcess, type ProcessOptions, type Usage} from './process.ts';

/** What one run took. */
export interface Taken {
  readonly seconds: number;
  readonly sender: Usage;
  readonly receiver: Usage;
}

/** Both ends of one run: their processes, and the clock. */
export class Ends {
  readonly #line: Line;
  readonly #senders: MeasuredProcess[] = [];
  readonly #receivers: MeasuredProcess[] = [];
  readonly #helpers: MeasuredProcess[] = [];
  #startedAt = NaN;
  #seconds: number | undefined;

  constructor(line: Line) {
    this.#line = line;
  }

  /** Starts a process on the sending host. */
  send(command: readonly string[], options?: ProcessOptions): MeasuredProcess {
    return start(this.#senders, [...this.#line.sender, ...command], options);
  }

  /** Starts a process on the receiving host. */
  receive(command: readonly string[], options?: ProcessOptions): MeasuredProcess {
    return start(this.#receivers, [...this.#line.receiver, ...command], options);
  }

  /** Starts a process on the receiving host that is part of neither end, and not counted. */
  help(command: readonly string[], options?: ProcessOptions): MeasuredProcess {
    return start(this.#helpers, [...this.#line.receiver, ...command], options);
  }

  startClock(): void {
    this.#startedAt = performance.now();
  }

  /** Puts a time in place of the clock's, for programs that know better. */
  setSeconds(seconds: number): void {
    this.#seconds = seconds;
  }

  stopClock(): void {
    this.#seconds ??= (performance.now() - this.#startedAt) / 1000;
  }

  /** Adds what the clock did not see. */
  addSeconds(seconds: number): void {
    this.#seconds = this.seconds + seconds;
  }

  get seconds(): number {
    return this.#seconds ?? NaN;
  }

  /** Stops what still runs. */
  async close(): Promise<Taken> {
    const those = [this.#senders, this.#receivers, this.#helpers];
    const [sender, receiver] = (await Promise.all(those.map(stop))) as [Usage, Usage, Usage];
    return {seconds: this.seconds, sender, receiver};
  }
}

function start(
  those: MeasuredProcess[],
  command: readonly string[],
  options?: ProcessOptions,
): MeasuredProcess {
  const started = new MeasuredProcess(command, options);
  those.push(started);
  return started;
}

async function stop(processes: readonly MeasuredProcess[]): Promise<Usage> {
  const usages = await Promise.all(processes.map((each) => each.stop()));
  return {
    cpuSeconds: sum(usages.map(({cpuSeconds}) => cpuSeconds)),
    peakBytes: sum(usages.map(({peakBytes}) => peakBytes)),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
