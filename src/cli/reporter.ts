import type {CommandEvent} from './events.ts';
import {reportJson} from './json-reporter.ts';
import {PartialsReporter} from './partials-reporter.ts';
import {PeersReporter} from './peers-reporter.ts';
import type {Screen} from './screen.ts';
import {TextReporter} from './text-reporter.ts';
import {VerifyReporter} from './verify-reporter.ts';
import {Voice} from './voice.ts';

/** Says what happens, to a person or to a program. Nothing else prints while a command runs. */
export type Reporter = (event: CommandEvent) => void;

/** A command that transfers: it decides the verbs. */
export type TransferCommand = 'receive' | 'share' | 'send' | 'get';

/** The command that speaks. */
export type CommandName = TransferCommand | 'verify' | 'partials' | 'id' | 'peers';

/** How a command was asked to speak. */
export interface ReporterFlags {
  readonly json?: true | undefined;
  readonly quiet?: true | undefined;
  /** Whether a code lets in, and not a ticket. */
  readonly code?: true | undefined;
  /** Whether whoever sends is asked about before. */
  readonly ask?: true | undefined;
}

/** Without a screen it speaks JSON. */
export function createReporter(
  command: CommandName,
  flags: ReporterFlags,
  screen: Screen | undefined,
): Reporter {
  if (!screen) return reportJson;
  const voice = new Voice(screen, flags.quiet ?? false);
  const text = createTextReporter(command, voice, flags);
  return (event) => text.report(event);
}

function createTextReporter(command: CommandName, voice: Voice, flags: ReporterFlags): {report: Reporter} {
  switch (command) {
    case 'verify':
      return new VerifyReporter(voice);
    case 'partials':
      return new PartialsReporter(voice);
    case 'id':
    case 'peers':
      return new PeersReporter(voice);
    case 'receive':
    case 'share':
    case 'send':
    case 'get':
      return new TextReporter(command, voice, flags);
  }
}
