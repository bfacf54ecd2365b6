import type {CommandEvent} from './events.ts';
import {reportJson} from './json-reporter.ts';
import {openScreen} from './screen.ts';
import {TextReporter} from './text-reporter.ts';

/** Says what happens, to a person or to a program. Nothing else prints while a command runs. */
export type Reporter = (event: CommandEvent) => void;

/** The command that speaks: it decides the verbs. */
export type CommandName = 'receive' | 'share' | 'send' | 'get';

/** How a command was asked to speak. */
export interface ReporterFlags {
  readonly json?: true | undefined;
  readonly quiet?: true | undefined;
}

export async function createReporter(command: CommandName, {json, quiet}: ReporterFlags): Promise<Reporter> {
  if (json) return reportJson;
  const text = new TextReporter(command, quiet ?? false, await openScreen());
  return (event) => text.report(event);
}
