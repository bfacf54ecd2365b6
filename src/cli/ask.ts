import {createInterface} from 'node:readline';
import type {Offer, OfferAnswer} from '../index.ts';
import {isForeground} from './keys.ts';
import type {Memory} from './known-peers.ts';
import {offerLines} from './offer-text.ts';
import {hasTerminal} from './prompt.ts';
import type {CommandContext} from './run.ts';
import type {Screen} from './screen.ts';

/** Answers what peers offer. */
export type Asker = (offer: Offer) => Promise<OfferAnswer>;

/** Asks on the terminal; without one, whatever is offered is refused rather than left waiting. */
export function createAsker({screen, report, signal}: CommandContext, memory: Memory): Asker {
  if (screen && hasTerminal() && isForeground()) {
    const terminal = new Terminal(screen, memory, signal);
    return (offer) => terminal.ask(offer);
  }
  const why = screen ? 'there is no terminal' : 'with --json there is no terminal';
  report({event: 'notice', message: `--ask: ${why} to ask on, so whatever is sent will be refused`});
  return async () => nobodyThere;
}

const nobodyThere = {accept: false, reason: 'there is no terminal to ask on'} as const;

/** Why there is no answer. */
type Silence = 'withdrawn' | 'closed';

class Terminal {
  readonly #screen: Screen;
  readonly #memory: Memory;
  readonly #signal: AbortSignal;
  #turn: Promise<unknown> = Promise.resolve();
  #hear: ((line: string | undefined) => void) | undefined;
  #isClosed = false;
  #isInterrupted = false;

  constructor(screen: Screen, memory: Memory, signal: AbortSignal) {
    this.#screen = screen;
    this.#memory = memory;
    this.#signal = signal;
    // Read from now on: what was typed before a question is no answer to it.
    createInterface({input: process.stdin})
      .on('line', (line) => this.#hear?.(line))
      .on('close', () => {
        this.#isClosed = true;
        this.#hear?.(undefined);
      });
    // It must not keep the process alive.
    process.stdin.unref();
  }

  /** One question at a time. */
  ask(offer: Offer): Promise<OfferAnswer> {
    const answered = this.#turn.then(() => this.#askNow(offer));
    this.#turn = answered.catch(() => {});
    return answered;
  }

  async #askNow(offer: Offer): Promise<OfferAnswer> {
    const acquaintance = await this.#memory.recall(offer.peer);
    if (offer.signal.aborted) return false;
    const release = this.#screen.hold();
    try {
      if (this.#isInterrupted) {
        // An answer may be half typed, and was meant for another.
        const entered = await this.#read('Press Enter for the next question. ', offer.signal);
        if (entered === 'withdrawn') return false;
        this.#isInterrupted = false;
      }
      const lines = offerLines(offer, acquaintance, process.stderr.columns || 80);
      process.stderr.write(`${lines.join('\n')}\n`);
      const answer = await this.#read('Accept? [y/N] ', offer.signal);
      if (answer === 'closed') return nobodyThere;
      if (answer !== 'withdrawn') return /^\s*y(es)?\s*$/i.test(answer.line);
      this.#isInterrupted = true;
      if (!this.#signal.aborted) process.stderr.write('Withdrawn: there is nothing to answer any more.\n');
      return false;
    } finally {
      release();
    }
  }

  async #read(prompt: string, signal: AbortSignal): Promise<{readonly line: string} | Silence> {
    if (this.#isClosed) return 'closed';
    process.stderr.write(prompt);
    const heard = await new Promise<{readonly line: string} | Silence>((resolve) => {
      signal.addEventListener('abort', () => resolve('withdrawn'), {once: true});
      this.#hear = (line) => resolve(line === undefined ? 'closed' : {line});
    });
    this.#hear = undefined;
    // The key that ends a line has moved the cursor already.
    if (typeof heard === 'string') process.stderr.write('\n');
    return heard;
  }
}
