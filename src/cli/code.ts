import {HawserError, type CodeListener} from '../index.ts';
import {hasTerminal, readLine} from './prompt.ts';
import type {CommandContext} from './run.ts';
import {looksLikeTicket} from './ticket.ts';

/**
 * The listener at an address, with the code that it shows: that of the environment, or the answer to a prompt on the
 * terminal, or, without one, a line of standard input. Never an argument, which others on this machine see.
 */
export async function findCodeListener(
  address: string | undefined,
  context: CommandContext,
): Promise<CodeListener> {
  if (address === undefined || looksLikeTicket(address)) {
    const text =
      address === undefined
        ? 'with --code, say where the other side listens, as HOST or HOST:PORT'
        : 'a ticket needs no code: leave out one of the two';
    throw new HawserError('INVALID_OPTION', text);
  }
  return {address, code: await findCode(context)};
}

async function findCode({report, signal}: CommandContext): Promise<string> {
  const kept = process.env['HAWSER_CODE'];
  if (kept) return kept;
  if (process.stdin.isTTY && !hasTerminal()) throw noCode();
  if (!process.stdin.isTTY) report({event: 'notice', message: 'reading the code from standard input'});
  const code = await readLine('Code: ', signal);
  if (!code) throw noCode();
  return code;
}

function noCode(): HawserError {
  return new HawserError(
    'INVALID_OPTION',
    'no code: type the three words that the other side shows, set HAWSER_CODE to them, or write them to standard input',
  );
}
