import {execFileSync} from 'node:child_process';
import {readFileSync} from 'node:fs';

/**
 * Calls `onKey` with each key as it is pressed on the terminal, until the result is called. The keys that end, stop or
 * quit programs still do. Undefined where nobody can press one: without a terminal, in a shell's
 * background, or where lines are read from it.
 */
export function openKeys(onKey: (key: string) => void): (() => void) | undefined {
  const {stdin, stderr} = process;
  if (!stdin.isTTY || !stderr.isTTY || stdin.listenerCount('data') > 0 || !isForeground()) return undefined;
  const keys = new Keys(onKey);
  keys.open();
  const onContinue = (): void => keys.reopen();
  process.on('SIGCONT', onContinue);
  return () => {
    process.off('SIGCONT', onContinue);
    keys.close();
  };
}

/** The terminal in raw mode. Node restores its mode should the process end with it open. */
class Keys {
  readonly #onKey: (key: string) => void;
  readonly #onData = (data: Buffer): void => {
    for (const key of data.toString()) this.#press(key);
  };

  constructor(onKey: (key: string) => void) {
    this.#onKey = onKey;
    // A terminal that was closed ends nothing by itself.
    process.stdin.on('error', () => {});
  }

  open(): void {
    process.stdin.setRawMode(true);
    process.stdin.on('data', this.#onData);
    process.stdin.resume();
    // What keeps the process alive is what it serves.
    process.stdin.unref();
  }

  close(): void {
    this.#pause();
    process.stdin.setRawMode(false);
  }

  /** After it was stopped: the shell has set the terminal as it likes it. */
  reopen(): void {
    if (!isForeground()) return this.#pause();
    this.close();
    this.open();
  }

  /** Leaves the mode alone: it may be somebody else's terminal now. */
  #pause(): void {
    process.stdin.off('data', this.#onData);
    process.stdin.pause();
  }

  #press(key: string): void {
    const signal = signals.get(key);
    if (signal === undefined) return this.#onKey(key);
    if (signal !== 'SIGINT') this.close();
    raise(signal);
  }
}

/** What a terminal that is not raw sends to the programs in its foreground by itself. */
const signals: ReadonlyMap<string, NodeJS.Signals> = new Map([
  ['\u0003', 'SIGINT'],
  ['\u001A', 'SIGTSTP'],
  ['\u001C', 'SIGQUIT'],
]);

/** To all of them, as the terminal does: `npx` waits beside this process. */
function raise(signal: NodeJS.Signals): void {
  if (process.platform !== 'win32') process.kill(0, signal);
  else if (signal === 'SIGINT') process.emit(signal, signal);
}

/** Whether the terminal is this process's: one in the background that touches it is stopped for it. */
export function isForeground(): boolean {
  if (process.platform === 'win32') return true;
  try {
    if (process.platform !== 'linux') {
      return execFileSync('ps', ['-o', 'stat=', '-p', String(process.pid)], {encoding: 'utf8'}).includes('+');
    }
    // pid (name) state parent group session terminal foreground-group; a name may have anything in it.
    const stat = readFileSync('/proc/self/stat', 'utf8');
    const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return group === foreground;
  } catch {
    return false;
  }
}
