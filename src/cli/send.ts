import {send} from '../index.ts';
import type {Command} from './commander.ts';
import {findDestination} from './destination.ts';
import {follow} from './follow.ts';
import * as options from './options.ts';
import {run} from './run.ts';
import {checkSources} from './sources.ts';

/** `hawser send <paths...> --to TICKET` */
export function addSend(program: Command): void {
  program
    .command('send')
    .summary("send files and folders to a receiver's ticket")
    .description(
      'Sends files and folders, all at once, to the "hawser receive" that printed the ticket. A path that is not there ' +
        'fails alone, if there are others. Without --to the ticket ' +
        'is taken from the environment variable HAWSER_TICKET, which other users of this machine do not see, or asked ' +
        'for on the terminal. With --code, --to is an address, and the three words that the other side shows are asked ' +
        'for, or taken from HAWSER_CODE, or, without a terminal, from standard input. A lost connection is made again by itself. Interrupted? The same ' +
        'command again continues: what is there is skipped.',
    )
    .argument('<paths...>', 'files and folders to send')
    .option(
      '--to <ticket>',
      'ticket of the receiver (default: HAWSER_TICKET, or asked for), name@host of one with --allow, or with --code HOST[:PORT]',
    )
    .addOption(options.typeCode)
    .addOption(options.lanes)
    .addOption(options.limit)
    .addOption(options.retry)
    .addOption(options.checksum)
    .addOption(options.verify)
    .addOption(options.json)
    .addOption(options.quiet)
    .addHelpText('after', examples)
    .addHelpText('after', options.whoYouAre)
    .action((paths, flags) =>
      run('send', flags, async (context) => {
        const {report, signal} = context;
        const byCode = flags.code ?? false;
        await checkSources(paths, byCode);
        const {findIdentity} = await import('./identity.ts');
        const {Memory} = await import('./known-peers.ts');
        const memory = new Memory(report);
        const to = await findDestination(flags.to, byCode, memory, context);
        const identity = await findIdentity(report);
        const transfer = send(paths, {
          to,
          lanes: flags.lanes,
          limit: flags.limit,
          retryMs: flags.retry,
          checksum: flags.checksum,
          verify: flags.verify,
          identity,
          entries: flags.json ? 'all' : 'failed',
          signal,
        });
        return follow(transfer, 1, context, (peer) => memory.remember(peer, to));
      }),
    );
}

const examples = `
Examples:
  hawser send sample.txt photos --to hawser1…
  hawser send photos --to 203.0.113.5 --code  and type the words shown there
  HAWSER_TICKET=hawser1… hawser send movie.mp4
  hawser send photos --to alice@nas.local     she knows you (--allow): no ticket
  hawser send photos --to alice               where she was reached last`;
