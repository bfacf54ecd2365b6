import {spawn, type ChildProcess} from 'node:child_process';
import {EventEmitter, once} from 'node:events';
import {compileC} from './compile.ts';

/** What a command and all its descendants used. */
export interface Usage {
  readonly cpuSeconds: number;
  readonly peakBytes: number;
}

export interface ProcessOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

let measure: string | undefined;
const running = new Set<MeasuredProcess>();
let ending = false;

/** A command under bench/measure.c, which accounts for it and all its descendants and lets none of them survive. */
export class MeasuredProcess {
  readonly #command: string;
  readonly #child: ChildProcess;
  readonly #said = new EventEmitter();
  readonly #ended: Promise<Usage>;
  #output = '';
  #stopped = false;
  #over = false;

  constructor(command: readonly string[], {env, cwd}: ProcessOptions = {}) {
    if (ending) throw new Error('the benchmark is ending');
    this.#command = command.join(' ');
    // Detached, so that Ctrl-C reaches the benchmark alone, and ssh has no terminal to ask at.
    this.#child = spawn((measure ??= compileC('measure')), command, {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      detached: true,
      env: {...process.env, ...env},
      cwd,
    });
    running.add(this);
    this.#ended = this.#run();
    // Whoever waits gets the error; a process that nobody waits for any more may fail.
    this.#ended.catch(() => {});
  }

  /** Waits until its output matches; gives the first group, or else the match. */
  async said(pattern: RegExp): Promise<string> {
    for (;;) {
      const match = pattern.exec(this.#output);
      if (match) return match[1] ?? match[0];
      if (this.#over) throw this.#failure('ended too early');
      await once(this.#said, 'change');
    }
  }

  /** All that it has printed so far, as far as it was kept. */
  get output(): string {
    return this.#output;
  }

  /** Waits for its end. */
  ended(): Promise<Usage> {
    return this.#ended;
  }

  /** Ends it, if it still runs. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Usage> {
    this.#stopped = true;
    if (!this.#over) this.#child.kill(signal);
    return this.#ended;
  }

  async #run(): Promise<Usage> {
    const [, out, err, report] = this.#child.stdio;
    for (const stream of [out, err]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString('latin1')).slice(-keptOutput);
        this.#said.emit('change');
      });
    }
    let usage = '';
    report?.on('data', (chunk: Buffer) => (usage += chunk.toString('latin1')));
    try {
      const [code] = (await once(this.#child, 'close')) as [number | null];
      if (code !== 0 && !this.#stopped) throw this.#failure(`ended with exit code ${code}`);
      const [cpuMicroseconds = NaN, largestKiB = NaN, sumKiB = NaN] = usage.trim().split(' ').map(Number);
      return {cpuSeconds: cpuMicroseconds / 1e6, peakBytes: Math.max(largestKiB, sumKiB) * 1024};
    } finally {
      this.#over = true;
      running.delete(this);
      this.#said.emit('change');
    }
  }

  #failure(what: string): Error {
    return new Error(`${this.#command} ${what}:\n${this.#output.trim().slice(-2000)}`);
  }
}

/** Whether `stopAll` was called. */
export function isEnding(): boolean {
  return ending;
}

/** Ends everything that still runs, for good: nothing starts any more. */
export async function stopAll(): Promise<void> {
  ending = true;
  await Promise.allSettled(Array.from(running, (each) => each.stop()));
}

/** Enough for a ticket and for what a failed program says. */
const keptOutput = 65_536;
