import {verify, type Verification} from '../index.ts';
import type {Command} from './commander.ts';
import {exit, type ExitCode} from './exit.ts';
import * as options from './options.ts';
import {run, type CommandContext} from './run.ts';

/** `hawser verify [directory]` */
export function addVerify(program: Command): void {
  program
    .command('verify')
    .summary('check that what was delivered is still as it was')
    .description(
      'Reads what the last "hawser receive" or "hawser get" session delivered into a folder, and names the files that ' +
        'are not any more what was delivered: 6 is the exit code then. It goes by the record of their hashes that each ' +
        'session leaves in the folder, in ".hawser/records"; "b3sum --check" reads them, too. What a session found ' +
        'there already, with its size and time, is on the record of the one that delivered it.',
    )
    .argument('[directory]', 'folder that was written into', '.')
    .option('--all', 'go by all records, of up to 16 sessions, not only by the newest')
    .addOption(options.json)
    .addOption(options.quiet)
    .addHelpText('after', examples)
    .action((directory, flags) =>
      run('verify', flags, (context) => {
        const session = flags.all ? 'all' : 'newest';
        return follow(verify(directory, {session, signal: context.signal}), context);
      }),
    );
}

/** Reports a verification from now to its end; gives the exit code that it stands for. */
async function follow(verification: Verification, {report, intervalMs}: CommandContext): Promise<ExitCode> {
  for await (const progress of verification.progress(intervalMs)) report({event: 'verifying', ...progress});
  const {differences, ...totals} = await verification.finished();
  const counts = {changed: 0, missing: 0, unreadable: 0};
  for (const difference of differences) {
    counts[difference.change]++;
    report({event: 'difference', ...difference});
  }
  report({event: 'verified', ...totals, ...counts});
  if (counts.changed > 0 || counts.missing > 0) return exit.integrity;
  return counts.unreadable > 0 ? exit.local : exit.ok;
}

const examples = `
Examples:
  hawser verify inbox                    what the last session delivered there
  hawser verify inbox --all              what the last 16 delivered`;
