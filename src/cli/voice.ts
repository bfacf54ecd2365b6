import {styleText} from 'node:util';
import type {Screen} from './screen.ts';

/** Lines for a person on standard error. Quiet leaves what there is to complain about. */
export class Voice {
  readonly screen: Screen;
  readonly quiet: boolean;
  // `hasColors` obeys NO_COLOR.
  readonly #colored = process.stderr.isTTY && process.stderr.hasColors();

  constructor(screen: Screen, quiet: boolean) {
    this.screen = screen;
    this.quiet = quiet;
  }

  say(text: string): void {
    if (!this.quiet) this.screen.line(text);
  }

  /** Shows where a transfer, or what else has this number, stands. */
  progress(id: number, text: string): void {
    if (!this.quiet) this.screen.progress(id, text);
  }

  complain(label: string, text: string): void {
    // Named, because it otherwise goes by standard output, which may be a pipe when this goes to a terminal.
    const stream = process.stderr;
    this.screen.line(`${this.#colored ? styleText('red', label, {stream}) : label} ${text}`);
  }
}
