import {spawn, type ChildProcessByStdio} from 'node:child_process';
import {EventEmitter, once} from 'node:events';
import type {Readable, Writable} from 'node:stream';
import type {ExecutionContext} from 'ava';

/** How a process ended. */
export interface Result {
  /** Its exit code; null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process of a test, killed after it if it still runs. */
export class Process {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #changes = new EventEmitter();
  readonly #result: Promise<Result>;
  #ended = false;
  #stdout = '';
  #stderr = '';

  constructor(
    t: ExecutionContext,
    command: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
    cwd?: string,
  ) {
    this.#child = spawn(command, args, {stdio: 'pipe', env: {...process.env, ...env}, cwd});
    t.teardown(() => this.#child.kill('SIGKILL'));
    this.#child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      this.#stdout += chunk;
      this.#changes.emit('change');
    });
    this.#child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      this.#stderr += chunk;
      this.#changes.emit('change');
    });
    this.#result = this.#run();
  }

  /** Waits until one of its two outputs matches; gives the first group, or else the match. */
  async said(output: 'stdout' | 'stderr', pattern: RegExp): Promise<string> {
    for (;;) {
      const match = pattern.exec(output === 'stdout' ? this.#stdout : this.#stderr);
      if (match) return match[1] ?? match[0];
      if (this.#ended) throw new Error(`It ended without ${pattern}: ${this.#stdout}${this.#stderr}`);
      await once(this.#changes, 'change');
    }
  }

  /** Waits until this holds of all that it has written to its standard output. */
  async until(holds: (stdout: string) => boolean): Promise<void> {
    while (!holds(this.#stdout)) {
      if (this.#ended) throw new Error(`It ended too soon: ${this.#stdout}${this.#stderr}`);
      await once(this.#changes, 'change');
    }
  }

  /** Waits for its end. */
  ended(): Promise<Result> {
    return this.#result;
  }

  /** Writes to its standard input. */
  type(text: string): void {
    this.#child.stdin.write(text);
  }

  /** Sends it a signal. */
  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async #run(): Promise<Result> {
    const [code] = (await once(this.#child, 'close')) as [number | null];
    this.#ended = true;
    this.#changes.emit('change');
    return {code, stdout: this.#stdout, stderr: this.#stderr};
  }
}

/** Starts a Node process. */
export function startNode(t: ExecutionContext, args: readonly string[], env?: NodeJS.ProcessEnv): Process {
  return new Process(t, process.execPath, args, env);
}

/** Runs a Node process to its end. */
export function runNode(
  t: ExecutionContext,
  args: readonly string[],
  env?: NodeJS.ProcessEnv,
): Promise<Result> {
  return startNode(t, args, env).ended();
}
