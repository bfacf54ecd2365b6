import {checkCode, HawserError, isHawserError} from '../index.ts';
import {displayName} from './display.ts';
import {hasTerminal, readLine} from './prompt.ts';
import type {CommandContext} from './run.ts';

/**
 * The code that the other side shows: that of the environment, or the answer to a prompt on the terminal, or, without
 * one, a line of standard input. Never an argument, which others on this machine see.
 */
export async function findCode({report, signal}: CommandContext): Promise<string> {
  const kept = process.env['HAWSER_CODE'];
  if (kept) return kept;
  if (hasTerminal()) return askForCode(signal);
  if (process.stdin.isTTY) throw noCode();
  report({event: 'notice', message: 'reading the code from standard input'});
  const code = await readLine('', signal);
  if (!code) throw noCode();
  return code;
}

/** Asks until it may be one: a slip is to cost none of the tries that a code has. */
async function askForCode(signal: AbortSignal): Promise<string> {
  for (;;) {
    const code = await readLine('Code: ', signal);
    if (!code) throw noCode();
    try {
      checkCode(code);
      return code;
    } catch (error) {
      if (!isHawserError(error) || error.code !== 'INVALID_OPTION') throw error;
      process.stderr.write(`${displayName(error.message)}\n`);
    }
  }
}

function noCode(): HawserError {
  return new HawserError(
    'INVALID_OPTION',
    'no code: type the three words that the other side shows, set HAWSER_CODE to them, or write them to standard input',
  );
}
