import {receive} from '../index.ts';
import type {Command} from './commander.ts';
import * as options from './options.ts';
import {run} from './run.ts';
import {openPort, serve} from './serve.ts';

/** `hawser receive [directory]` */
export function addReceive(program: Command): void {
  program
    .command('receive')
    .summary('print a ticket; write what is sent with it into a folder')
    .description(
      'Listens, prints a ticket on standard output, and writes what is sent with that ticket into a folder. Keeps ' +
        'listening, for several senders at once, until Ctrl-C. Nothing that exists is overwritten: what is already ' +
        'there is skipped, and a different file gets another name, such as "photo (2).jpg".',
    )
    .argument('[directory]', 'folder to write into, created if missing', '.')
    .addOption(options.port)
    .addOption(options.bind)
    .addOption(options.advertise)
    .addOption(options.sharedLimit)
    .addOption(options.once)
    .addOption(options.json)
    .addOption(options.quiet)
    .addHelpText('after', examples)
    .action((directory, flags) =>
      run('receive', flags, async (context) => {
        const {bind, advertise, limit} = flags;
        const entries = flags.json ? 'all' : 'failed';
        const receiver = await openPort(flags.port, (port) =>
          receive({directory, port, bind, advertise, limit, entries, signal: context.signal}),
        );
        return serve(receiver, flags.once ?? false, context);
      }),
    );
}

const examples = `
Examples:
  hawser receive inbox                    from whoever has the ticket
  hawser receive inbox --once             one transfer, then end
  hawser receive --advertise example.org  behind a router that forwards the port`;
