import {createInterface} from 'node:readline/promises';
import {HawserError} from '../index.ts';

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
  return given ?? ticketFromEnvironment() ?? (await askTicket(signal));
}

async function askTicket(signal: AbortSignal): Promise<string> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) throw noTicket();
  process.stderr.write('Ticket: ');
  try {
    for await (const line of createInterface({input: process.stdin, signal})) return line.trim();
  } finally {
    // Closing the interface leaves a terminal open, and an open one keeps the process alive.
    process.stdin.unref();
  }
  signal.throwIfAborted();
  throw noTicket();
}

function noTicket(): HawserError {
  return new HawserError(
    'INVALID_OPTION',
    'no ticket: give the one that the other side printed, or set HAWSER_TICKET to it',
  );
}
