import {HawserError, receive} from '../index.ts';
import type {Command} from './commander.ts';
import {warnHome} from './home.ts';
import {openListener} from './open-listener.ts';
import * as options from './options.ts';
import {warnRoot} from './root.ts';
import {run} from './run.ts';
import {serve} from './serve.ts';
import {looksLikeTicket} from './ticket.ts';

/** `hawser receive [directory]` */
export function addReceive(program: Command): void {
  program
    .command('receive')
    .summary('print a ticket; write what is sent with it into a folder')
    .description(
      'Listens, prints a ticket on standard output, and writes what is sent with that ticket into a folder. Keeps ' +
        'listening, for several senders at once, until Ctrl-C. Nothing that exists is overwritten: what is already ' +
        'there is skipped, and a different file gets another name, such as "photo (2).jpg". Senders whose connection is lost ' +
        'go on by themselves, also when this is started again with the same --ticket-file.',
    )
    .argument('[directory]', 'folder to write into, created if missing', '.')
    .addOption(options.port)
    .addOption(options.bind)
    .addOption(options.advertise)
    .addOption(options.sharedLimit)
    .addOption(options.ask)
    .addOption(options.durability)
    .addOption(options.allow)
    .addOption(options.once)
    .addOption(options.showCode)
    .addOption(options.ticketFile)
    .addOption(options.expires)
    .addOption(options.uses)
    .addOption(options.maxBytes)
    .addOption(options.maxFiles)
    .addOption(options.grace)
    .addOption(options.json)
    .addOption(options.quiet)
    .addHelpText('after', examples)
    .addHelpText('after', options.whoYouAre)
    .action((directory, flags) =>
      run('receive', flags, async (context) => {
        if (looksLikeTicket(directory)) throw new HawserError('INVALID_OPTION', ticketText);
        await warnRoot(directory, context.report);
        const {Memory} = await import('./known-peers.ts');
        const memory = new Memory(context.report);
        const onOffer = flags.ask && (await import('./ask.ts')).createAsker(context, memory);
        if (!onOffer) await warnHome(directory, context.report);
        const receiver = await openListener(flags, context, memory, (listening) =>
          receive({directory, durability: flags.durability, onOffer, ...listening}),
        );
        return serve(receiver, flags, context, memory);
      }),
    );
}

const ticketText =
  'that is a ticket, and this takes a folder to write into: fetch with "hawser get TICKET", or send with ' +
  '"hawser send FILES --to TICKET"';

const examples = `
Examples:
  hawser receive inbox                    from whoever has the ticket
  hawser receive inbox --code             from whoever you tell three words
  hawser receive inbox --once             one transfer, then end
  hawser receive inbox --ask              only what you agree to
  hawser receive inbox --uses 1 --expires 1h --max-bytes 10G
                                          from one sender, and no more than that
  hawser receive inbox --allow bob        bob, whom you know, needs no ticket
  hawser receive inbox --ticket-file ~/.hawser-ticket
                                          the same ticket when started again
  hawser receive --advertise example.org  behind a router that forwards the port`;
