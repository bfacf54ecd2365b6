import {createRequire} from 'node:module';
import {Command, CommanderError} from './commander.ts';
import {howToSayCodes} from './destination.ts';
import {displayName} from './display.ts';
import {exit} from './exit.ts';
import {addGet} from './get.ts';
import {addId} from './id.ts';
import {reportJson} from './json-reporter.ts';
import {addPartials} from './partials.ts';
import {addPeers} from './peers.ts';
import {addReceive} from './receive.ts';
import {addSend} from './send.ts';
import {addShare} from './share.ts';
import {addVerify} from './verify.ts';

const {version} = createRequire(import.meta.url)('hawser/package.json') as {version: string};

const overview = `
Examples:
  hawser receive inbox                   here; it prints a ticket
  hawser send sample.txt photos --to …   there, with that ticket

  hawser receive inbox --code            or with three words instead of a ticket
  hawser send photos --to HOST --code    that somebody reads out to you

  hawser share photos movie.mp4          or the side with the files listens,
  hawser get …                           and the other fetches them

  hawser verify inbox                    later: is all as it was delivered?
  hawser partials inbox                  what is there of unfinished files?

  hawser peers                           whom do you know?
  hawser id                              and what do others know you by?

Exit codes:
  0 ok                  3 cannot connect        6 integrity
  1 other               4 authentication        7 local I/O or disk full
  2 usage               5 refused by the peer   8 finished, some entries failed
  11 another version    130 interrupted`;

/** What is wrong with the arguments, without what a terminal would obey in them, and without the words of a code. */
function explainUsage(text: string): string {
  return text.startsWith("error: unknown option '--code=")
    ? `error: leave out the words of the code: ${howToSayCodes}\n`
    : text.replaceAll(/[^\n]+/g, (line) => displayName(line, 400));
}

const program = new Command('hawser')
  .description('Moves files and folders from one machine to another, many at once, encrypted.')
  .version(version, '-V, --version', 'print the version')
  .helpOption('-h, --help', 'explain a command')
  .helpCommand('help [command]', 'explain a command')
  .addHelpText('after', overview)
  .configureHelp({subcommandTerm: (command) => command.name()})
  .showHelpAfterError('See --help.')
  .configureOutput({outputError: (text, write) => write(explainUsage(text))})
  .exitOverride();

addReceive(program);
addSend(program);
addShare(program);
addGet(program);
addVerify(program);
addPartials(program);
addPeers(program);
addId(program);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? exit.ok : exit.usage;
  // The options were not understood, so they cannot tell.
  if (error.message.startsWith('error: ') && process.argv.includes('--json')) {
    const message = explainUsage(error.message)
      .replace(/^error: /, '')
      .trim();
    reportJson({event: 'error', code: 'INVALID_OPTION', message, retryable: false});
  }
}
