import {adviceFor} from './advice.ts';
import {displayName} from './display.ts';
import type {CommandEvent, DifferenceEvent, ErrorEvent} from './events.ts';
import type {Voice} from './voice.ts';
import * as wording from './wording.ts';

/**
 * Tells a person what `verify` finds, on standard error. Quiet leaves the files that differ, all of them: they are what
 * was asked for.
 */
export class VerifyReporter {
  readonly #voice: Voice;

  constructor(voice: Voice) {
    this.#voice = voice;
  }

  report(event: CommandEvent): void {
    switch (event.event) {
      case 'verifying':
        return this.#voice.progress(onlyId, wording.verifyingText(event));
      case 'difference':
        return this.#name(event);
      case 'verified':
        this.#voice.screen.end(onlyId);
        return this.#voice.say(wording.verifiedText(event));
      case 'error':
        return this.#explain(event);
      case 'listening':
      case 'code':
      case 'revoked':
      case 'turned-away':
      case 'peer':
      case 'progress':
      case 'entry':
      case 'finished':
      case 'reconnecting':
      case 'reconnected':
      case 'notice':
      case 'partial':
      case 'partials':
      case 'identity':
      case 'known':
      case 'peers':
        // Of other commands.
        return;
    }
  }

  #name({path, change, message}: DifferenceEvent): void {
    // They come at the end, and the line would be drawn again below each.
    this.#voice.screen.end(onlyId);
    const why = change === 'unreadable' ? `: ${displayName(message)}` : '';
    this.#voice.complain(`${change}:`, displayName(path) + why);
  }

  #explain({code, message}: ErrorEvent): void {
    this.#voice.screen.end(onlyId);
    this.#voice.complain('hawser:', displayName(message, 1000));
    const advice = code === 'NOT_FOUND' ? [whereRecordsAre] : adviceFor(code);
    for (const line of advice) this.#voice.screen.line(`  ${line}`);
  }
}

/** There is one verification a process. */
const onlyId = 1;

const whereRecordsAre =
  'Name the folder that "hawser receive" or "hawser get" wrote into: the records are in its ".hawser/records".';
