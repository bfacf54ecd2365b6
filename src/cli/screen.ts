import type {WriteStream} from 'node:tty';
import type {createLogUpdate} from 'log-update';

/** Where a person reads: lines that stay, and below them one progress line for each transfer that runs. */
export interface Screen {
  /** Whether progress lines are rewritten in place, so that they may change often. */
  readonly isLive: boolean;
  /** Prints a line that stays. */
  line(text: string): void;
  /** Prints a line that stays on standard output, which may be the same terminal. */
  output(text: string): void;
  /** Shows where a transfer stands, instead of what it showed before. */
  progress(transfer: number, text: string): void;
  /** Takes away the progress line of a transfer. */
  end(transfer: number): void;
  /** Takes away all of them and shows nothing more, so that something can be asked, until the result is called. */
  hold(): () => void;
}

/** The screen of standard error: live on a terminal, plain in a file, a pipe, or a terminal that has no size. */
export async function openScreen(): Promise<Screen> {
  const terminal = process.stderr;
  if (!terminal.isTTY || !(terminal.columns > 0)) return new PlainScreen();
  // Loaded here and not above: of all modules it takes longest, and only a terminal needs it.
  const {createLogUpdate} = await import('log-update');
  return new LiveScreen(terminal, createLogUpdate(terminal));
}

class LiveScreen implements Screen {
  readonly isLive = true;
  readonly #terminal: WriteStream;
  readonly #update: ReturnType<typeof createLogUpdate>;
  readonly #lines = new Map<number, string>();
  /** Lines to be printed later. */
  #held: string[] | undefined;

  constructor(terminal: WriteStream, update: ReturnType<typeof createLogUpdate>) {
    this.#terminal = terminal;
    this.#update = update;
  }

  line(text: string): void {
    if (this.#held) {
      if (this.#held.length < maxHeld) this.#held.push(text);
      return;
    }
    // Not through log-update: it would break a ticket in two at the edge of the terminal, and copying it with it.
    if (this.#lines.size > 0) this.#update.clear();
    this.#terminal.write(`${text}\n`);
    this.#draw();
  }

  output(text: string): void {
    if (this.#lines.size > 0) this.#update.clear();
    process.stdout.write(`${text}\n`);
    this.#draw();
  }

  progress(transfer: number, text: string): void {
    this.#lines.set(transfer, text);
    this.#draw();
  }

  end(transfer: number): void {
    if (!this.#lines.delete(transfer) || this.#held) return;
    this.#update.clear();
    if (this.#lines.size === 0) this.#update.done();
    this.#draw();
  }

  hold(): () => void {
    if (this.#lines.size > 0) this.#update.clear();
    this.#held = [];
    return () => {
      const held = this.#held ?? [];
      this.#held = undefined;
      for (const text of held) this.line(text);
      this.#draw();
    };
  }

  #draw(): void {
    if (this.#lines.size === 0 || this.#held) return;
    const width = this.#terminal.columns - 1;
    this.#update(Array.from(this.#lines.values(), (line) => line.slice(0, width)).join('\n'));
  }
}

class PlainScreen implements Screen {
  readonly isLive = false;
  readonly #printedAt = new Map<number, number>();

  line(text: string): void {
    process.stderr.write(`${text}\n`);
  }

  output(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  progress(transfer: number, text: string): void {
    const now = performance.now();
    const printedAt = this.#printedAt.get(transfer);
    if (printedAt === undefined) this.#printedAt.set(transfer, now);
    if (printedAt === undefined || now - printedAt < plainIntervalMs) return;
    this.#printedAt.set(transfer, now);
    this.line(text);
  }

  end(transfer: number): void {
    this.#printedAt.delete(transfer);
  }

  hold(): () => void {
    return () => {};
  }
}

/** Nobody reads more than that when they come back to a question. */
const maxHeld = 1000;

/** Seldom enough for a log file, often enough to see that it still runs. */
const plainIntervalMs = 10_000;
