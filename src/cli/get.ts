import {get} from '../index.ts';
import type {Command} from './commander.ts';
import {findDestination} from './destination.ts';
import {follow} from './follow.ts';
import {warnHome} from './home.ts';
import * as options from './options.ts';
import {warnRoot} from './root.ts';
import {run} from './run.ts';
import {checkFolder} from './sources.ts';
import {looksLikeTicket, ticketFromEnvironment} from './ticket.ts';

/** `hawser get [ticket] [directory]` */
export function addGet(program: Command): void {
  program
    .command('get')
    .summary("fetch what a sharer's ticket offers")
    .description(
      'Fetches what the "hawser share" that printed the ticket offers. The ticket may be left out where the ' +
        'environment variable HAWSER_TICKET has it, which other users of this machine do not see, or to be asked for ' +
        'it on the terminal. With --code, an address takes its place, and the three words that the other side shows are ' +
        'asked for, or taken from HAWSER_CODE, or, without a terminal, from standard input. Nothing that exists is overwritten. A lost connection is made again by itself. Interrupted? The ' +
        'same command again continues.',
    )
    .argument(
      '[ticket]',
      'ticket of the sharer (default: HAWSER_TICKET, or asked for), name@host of one with --allow, or with --code HOST[:PORT]',
    )
    .argument('[directory]', 'folder to write into, created if missing (default: ".")')
    .addOption(options.typeCode)
    .addOption(options.lanes)
    .addOption(options.limit)
    .addOption(options.retry)
    .addOption(options.checksum)
    .addOption(options.verify)
    .addOption(options.ask)
    .addOption(options.durability)
    .addOption(options.json)
    .addOption(options.quiet)
    .addHelpText('after', examples)
    .allowExcessArguments()
    .action((first, second, flags, command) =>
      run('get', flags, async (context) => {
        const {report, signal} = context;
        const {given, directory} = placeArguments(first, second, flags.code);
        const byCode = flags.code ?? false;
        checkFolder(directory, command.args.length > 2, byCode);
        await warnRoot(directory, report);
        const {lanes, limit, retry: retryMs, checksum, verify, durability} = flags;
        const {findIdentity} = await import('./identity.ts');
        const {Memory} = await import('./known-peers.ts');
        const memory = new Memory(report);
        const from = await findDestination(given, byCode, memory, context);
        const identity = await findIdentity(report);
        const onOffer = flags.ask && (await import('./ask.ts')).createAsker(context, memory);
        if (!onOffer) await warnHome(directory, report);
        const transfer = get(from, {
          directory,
          onOffer,
          lanes,
          limit,
          retryMs,
          checksum,
          verify,
          durability,
          identity,
          entries: flags.json ? 'all' : 'failed',
          signal,
        });
        return follow(transfer, 1, context, (peer, accepted) => memory.meet(peer, accepted, from));
      }),
    );
}

interface Arguments {
  readonly given: string | undefined;
  readonly directory: string;
}

/** A single argument is the folder where the environment has the ticket and the argument does not look like one. */
function placeArguments(
  first: string | undefined,
  second: string | undefined,
  code: true | undefined,
): Arguments {
  const onlyFolder = !code && first !== undefined && second === undefined && !looksLikeTicket(first);
  if (onlyFolder && ticketFromEnvironment() !== undefined) return {given: undefined, directory: first};
  return {given: first, directory: second ?? '.'};
}

const examples = `
Examples:
  hawser get hawser1…                    into the current folder
  hawser get hawser1… downloads          into the folder "downloads"
  hawser get 203.0.113.5 --code          and type the words shown there
  HAWSER_TICKET=hawser1… hawser get downloads`;
