import {partials, removePartials, type PartFile} from '../index.ts';
import {InvalidArgumentError, type Command} from './commander.ts';
import {parseDuration} from './duration.ts';
import {exit, type ExitCode} from './exit.ts';
import * as options from './options.ts';
import {endAtOnce, run} from './run.ts';
import type {Reporter} from './reporter.ts';

/** `hawser partials [directory]` */
export function addPartials(program: Command): void {
  program
    .command('partials')
    .summary('list or remove what is here of unfinished files')
    .description(
      'Lists what sessions that were cut off have left of unfinished files in a folder, in ".hawser/partials": how ' +
        'much is here, when it was last written, the fingerprint of the key of who sends it, and its path. When it is ' +
        'sent again, only the rest is. With --clean it is removed, but for what a session is writing.',
    )
    .argument('[directory]', 'folder that was written into', '.')
    .option('--clean', 'remove it')
    .option('--older-than <duration>', 'only what was last written so long ago, such as 7d, 12h, 90m', age)
    .addOption(options.json)
    .addOption(options.quiet)
    .addHelpText('after', examples)
    .action((directory, {clean, olderThan = 0, ...flags}) =>
      run('partials', flags, (context) => {
        endAtOnce(context);
        return (clean ? remove : list)(directory, olderThan, context.report);
      }),
    );
}

async function list(directory: string, olderThanMs: number, report: Reporter): Promise<ExitCode> {
  const now = Date.now();
  // One that was written in the future, by another clock, was so just now.
  const files = (await partials(directory)).filter(
    ({lastWritten}) => Math.max(0, now - lastWritten.getTime()) >= olderThanMs,
  );
  for (const file of files) report({event: 'partial', ...file, removed: false});
  report({event: 'partials', clean: false, ...count(files), removed: 0, bytesFreed: 0});
  return exit.ok;
}

async function remove(directory: string, olderThanMs: number, report: Reporter): Promise<ExitCode> {
  const {removed, remaining} = await removePartials(directory, {olderThanMs});
  for (const file of removed) report({event: 'partial', ...file, removed: true});
  for (const {file, message} of remaining) report({event: 'partial', ...file, removed: false, message});
  const files = [...removed, ...remaining.map(({file}) => file)];
  const freed = count(removed);
  const [removedFiles, bytesFreed] = [freed.files, freed.bytesOnDisk];
  report({event: 'partials', clean: true, ...count(files), removed: removedFiles, bytesFreed});
  return remaining.every(({file}) => file.inUse) ? exit.ok : exit.local;
}

function count(files: readonly PartFile[]): {files: number; bytesOnDisk: number; inUse: number} {
  return {
    files: files.length,
    bytesOnDisk: files.reduce((sum, {bytesOnDisk}) => sum + bytesOnDisk, 0),
    inUse: files.filter(({inUse}) => inUse).length,
  };
}

function age(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds !== undefined && milliseconds !== Infinity) return milliseconds;
  throw new InvalidArgumentError('It must be a time such as 7d, 12h, 90m or 1h30m, or a number of seconds.');
}

const examples = `
Examples:
  hawser partials inbox                            what is there
  hawser partials inbox --clean --older-than 7d    remove what is a week old`;
