import {appendFileSync, mkdirSync} from 'node:fs';
import type {ExecutionContext} from 'ava';

/** Counts the runs of one kind of fault, and those after which something was lost or wrong. */
export class Tally {
  readonly #fault: string;
  readonly #losses: string[] = [];
  #runs = 0;

  /** `fault` is the row of docs/reliability.md that the runs count for. */
  constructor(fault: string) {
    this.#fault = fault;
  }

  /** How many runs there were. */
  get runs(): number {
    return this.#runs;
  }

  /** One run; what it throws counts as a loss, and the others go on. */
  async run<T>(label: string, once: () => Promise<T>): Promise<T | undefined> {
    this.#runs++;
    try {
      return await once();
    } catch (error) {
      this.#losses.push(`${label}: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }

  /** Keeps the counts for the table, and asserts that nothing was lost in at least so many runs. */
  finish(t: ExecutionContext, atLeast = 1): void {
    const row = {test: t.title, fault: this.#fault, runs: this.#runs, losses: this.#losses.length};
    mkdirSync('build', {recursive: true});
    appendFileSync('build/faults.jsonl', `${JSON.stringify(row)}\n`);
    t.log(`${this.#runs} runs, ${this.#losses.length} losses`);
    t.true(this.#runs >= atLeast, `only ${this.#runs} runs`);
    t.deepEqual(this.#losses, []);
  }
}

/** Fails a run unless there are none of these. */
export function none(what: string, problems: readonly string[]): void {
  if (problems.length > 0) throw new Error(`${what}: ${problems.join('; ')}`);
}
