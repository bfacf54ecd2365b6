import type {CommandEvent} from './events.ts';
import {reportJson} from './json-reporter.ts';
import {openScreen} from './screen.ts';
import {TextReporter} from './text-reporter.ts';
import {VerifyReporter} from './verify-reporter.ts';
import {Voice} from './voice.ts';

/** Says what happens, to a person or to a program. Nothing else prints while a command runs. */
export type Reporter = (event: CommandEvent) => void;

/** A command that transfers: it decides the verbs. */
export type TransferCommand = 'receive' | 'share' | 'send' | 'get';

/** The command that speaks. */
export type CommandName = TransferCommand | 'verify';

/** How a command was asked to speak. */
export interface ReporterFlags {
  readonly json?: true | undefined;
  readonly quiet?: true | undefined;
}

export async function createReporter(command: CommandName, {json, quiet}: ReporterFlags): Promise<Reporter> {
  if (json) return reportJson;
  const voice = new Voice(await openScreen(), quiet ?? false);
  const text = command === 'verify' ? new VerifyReporter(voice) : new TextReporter(command, voice);
  return (event) => text.report(event);
}
