import type {CommandEvent} from './events.ts';

/** Prints each event as one line of JSON on standard output. */
export function reportJson(event: CommandEvent): void {
  process.stdout.write(`${JSON.stringify({v: 1, ...event})}\n`);
}
