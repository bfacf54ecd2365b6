import {createInterface} from 'node:readline/promises';

/** Whether somebody can be asked. */
export function hasTerminal(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

/** The next line of standard input, without white space around it, after a prompt where it is a terminal. */
export async function readLine(prompt: string, signal: AbortSignal): Promise<string | undefined> {
  const {stdin} = process;
  if (stdin.isTTY) {
    process.stderr.write(prompt);
    // It may have been asked before.
    stdin.ref();
  }
  try {
    for await (const line of createInterface({input: stdin, signal})) return line.trim();
  } finally {
    // Closing the interface leaves it open, which keeps the process alive. A terminal may be needed again.
    if (stdin.isTTY) stdin.unref();
    else stdin.destroy();
  }
  signal.throwIfAborted();
  return undefined;
}
