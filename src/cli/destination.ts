import {existsSync} from 'node:fs';
import {isIPv6} from 'node:net';
import {HawserError, type Destination} from '../index.ts';
import {findCode} from './code.ts';
import {displayName} from './display.ts';
import type {Memory} from './known-peers.ts';
import type {CommandContext} from './run.ts';
import {findTicket, looksLikeTicket} from './ticket.ts';

/**
 * Whom to dial: the listener at an address, with the code that it shows; or whom a ticket, or the name of a known peer,
 * stands for. What is wrong with the address is said before a code is asked for.
 */
export async function findDestination(
  given: string | undefined,
  byCode: boolean,
  memory: Memory,
  context: CommandContext,
): Promise<Destination> {
  if (byCode) {
    const listener = await memory.expectAt(checkAddress(given));
    return {...listener, code: await findCode(context)};
  }
  const text = await findTicket(given, context.signal);
  const destination = looksLikeTicket(text) ? text : ((await memory.find(text)) ?? explain(text));
  if (typeof destination !== 'string') return destination;
  await memory.check(destination);
  return destination;
}

/** The address that goes with a code. */
function checkAddress(given: string | undefined): string {
  if (given === undefined) throw wrong('with --code, say where the other side listens, as HOST or HOST:PORT');
  if (looksLikeTicket(given)) throw wrong('a ticket needs no code: leave out one of the two');
  if (/\s/.test(given)) throw wrong(`with --code, give the address without the words: ${howToSayCodes}`);
  if (looksLikeScp(given)) throw wrong(`${shown(given)} is no address: ${whoChoosesFolders}`);
  if (given.includes('@'))
    throw wrong('with --code, give the address alone, without a name: it is the code that lets in');
  return given;
}

/** What is wrong with a text that is neither a ticket nor the name of a known peer. */
function explain(text: string): never {
  if (/\s/.test(text) || isWords(text)) {
    throw wrong(`a code goes with an address, as in HOST --code, and without its words: ${howToSayCodes}`);
  }
  if (looksLikeScp(text)) throw wrong(`${shown(text)} is not a ticket: ${whoChoosesFolders}`);
  if (existsSync(text)) {
    throw wrong(
      `${shown(text)} is a file and not a ticket. A ticket that is in a file is best given as HAWSER_TICKET="$(cat FILE)"`,
    );
  }
  throw wrong(
    `${shown(text)} is not a ticket, which starts with "hawser1", and not the name of a known peer, whom "hawser peers" lists. ` +
      'An address goes with --code, or, for a peer that you know, behind its name, as in NAME@HOST',
  );
}

/** Whether it is the place of a file as scp and rsync take it: `host:/tmp`, `user@host:`. One letter is a disk of Windows. */
export function looksLikeScp(text: string): boolean {
  return /^[^:/\s[\]]{2,}:(?!\d+$)(?:[^:]*|[/~.].*)$/.test(text) && !isIPv6(text);
}

/** Whether it could be three words. */
export function isWords(text: string): boolean {
  return /^[a-z]+(?:[\s-]+[a-z]+){2}$/i.test(text.trim());
}

export const howToSayCodes =
  'they are asked for, or taken from HAWSER_CODE, as others on this machine see the arguments of a command';

export const whoChoosesFolders =
  'the side that receives chooses the folder, with "hawser receive FOLDER", and prints what goes behind --to here';

/** What a person typed, for an error. */
export function shown(text: string): string {
  return `"${displayName(text, 60)}"`;
}

function wrong(text: string): HawserError {
  return new HawserError('INVALID_OPTION', text);
}
