import {HawserError} from '../index.ts';
import {hasTerminal, readLine} from './prompt.ts';

/** Whether an argument is meant as a ticket, mistyped or not. */
export function looksLikeTicket(argument: string): boolean {
  return argument.toLowerCase().startsWith('hawser1');
}

/** The ticket of the environment, which, unlike an argument, does not show in the list of processes. */
export function ticketFromEnvironment(): string | undefined {
  return process.env['HAWSER_TICKET'] || undefined;
}

/** The ticket that was given, or that of the environment, or the answer to a prompt on the terminal. */
export async function findTicket(given: string | undefined, signal: AbortSignal): Promise<string> {
  const found = given ?? ticketFromEnvironment() ?? (hasTerminal() && (await readLine('Ticket: ', signal)));
  if (typeof found === 'string') return found.trim();
  throw new HawserError(
    'INVALID_OPTION',
    'no ticket: give the one that the other side printed, or set HAWSER_TICKET to it',
  );
}
