import {share} from '../index.ts';
import type {Command} from './commander.ts';
import {openListener} from './open-listener.ts';
import * as options from './options.ts';
import {run} from './run.ts';
import {serve} from './serve.ts';

/** `hawser share <paths...>` */
export function addShare(program: Command): void {
  program
    .command('share')
    .summary('print a ticket; send files to whoever fetches with it')
    .description(
      'Listens, prints a ticket on standard output, and sends the files and folders to every peer that fetches them ' +
        'with that ticket, until Ctrl-C.',
    )
    .argument('<paths...>', 'files and folders to share')
    .addOption(options.port)
    .addOption(options.bind)
    .addOption(options.advertise)
    .addOption(options.sharedLimit)
    .addOption(options.allow)
    .addOption(options.once)
    .addOption(options.showCode)
    .addOption(options.ticketFile)
    .addOption(options.expires)
    .addOption(options.uses)
    .addOption(options.grace)
    .addOption(options.json)
    .addOption(options.quiet)
    .addHelpText('after', examples)
    .action((paths, flags) =>
      run('share', flags, async (context) => {
        const {Memory} = await import('./known-peers.ts');
        const memory = new Memory(context.report);
        const sharer = await openListener(flags, context, memory, (listening) => share(paths, listening));
        return serve(sharer, flags, context, memory);
      }),
    );
}

const examples = `
Examples:
  hawser share photos movie.mp4          to everyone who has the ticket
  hawser share report.pdf --once         to the first who fetches it, then end
  hawser share photos --code             to whoever you tell three words
  hawser share photos --uses 3 --expires 2d`;
