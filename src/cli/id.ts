import {publicIdentity} from '../index.ts';
import type {Command} from './commander.ts';
import {exit} from './exit.ts';
import * as options from './options.ts';
import {endAtOnce, run} from './run.ts';

/** `hawser id` */
export function addId(program: Command): void {
  program
    .command('id')
    .summary('show who you are to others: the fingerprint of your key')
    .description(
      'Prints the fingerprint of your key, in letters and in words to be read out, the whole public key, and the file ' +
        'that the key is in. Makes the key if there is none. What others see of you must be the same.',
    )
    .addOption(options.json)
    .addHelpText('after', options.whoYouAre)
    .action((flags) =>
      run('id', flags, async (context) => {
        endAtOnce(context);
        const {keepIdentity} = await import('./identity.ts');
        const {key, path} = await keepIdentity();
        context.report({event: 'identity', ...publicIdentity(key), path});
        return exit.ok;
      }),
    );
}
