import {unsafe} from './display.ts';
import type {CommandEvent} from './events.ts';

/**
 * Prints each event as one line of JSON on standard output. What a terminal might obey or hide, which JSON allows in
 * strings as it is, is escaped as JSON does it: whoever parses the line gets what arrived.
 */
export function reportJson(event: CommandEvent): void {
  process.stdout.write(`${JSON.stringify({v: 1, ...event}).replaceAll(unsafe, escape)}\n`);
}

function escape(character: string): string {
  // By UTF-16 units: what is beyond them takes two escapes.
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
}
