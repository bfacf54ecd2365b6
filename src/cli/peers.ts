import type {KnownPeer} from '../index.ts';
import type {Command} from './commander.ts';
import type {KnownEvent} from './events.ts';
import {exit, type ExitCode} from './exit.ts';
import * as options from './options.ts';
import type {ReporterFlags} from './reporter.ts';
import {endAtOnce, run, type CommandContext} from './run.ts';

/** `hawser peers`, `hawser peers name <peer> <new-name>`, `hawser peers forget <peer>` */
export function addPeers(program: Command): void {
  const peers = program
    .command('peers')
    .summary('list, name or forget the peers that you know')
    .description(
      'Lists the peers that you have met: the fingerprint of the key, the day it was last seen, who gave the name ' +
        '(you: "named", the peer itself: "label"), the name, and where it was last dialled. Peers are remembered by ' +
        'themselves. When another key answers where one is known, or comes by a name that you gave, that ends it. Who comes ' +
        'with a ticket or a code by any other name is let in, and shown as new.',
    )
    .configureHelp({showGlobalOptions: true})
    .addOption(options.json)
    .addOption(options.quiet)
    .addHelpText('after', examples)
    .showHelpAfterError(
      'Alone it lists peers; its commands are "name" and "forget". See "hawser peers --help".',
    )
    .action((flags) => execute(flags, list));
  peers
    .command('name')
    .summary('give a peer a name of your own')
    .description(
      'Gives a peer a name, which then stands for its key, and for no other: in --to and --allow, and for whoever calls ' +
        'itself by it. It keeps out nobody who calls itself something else and has a ticket or a code. A "receive" or ' +
        '"share" that runs goes by the names there were at its start: start it again.',
    )
    .argument('<peer>', 'its name, fingerprint or public key')
    .argument('<new-name>', '1 to 64 ASCII letters, digits, ".", "_" and "-"')
    .action((peer, name, _flags, command) =>
      execute(command.optsWithGlobals(), async ({report}) => {
        report(event('named', await (await open()).name(peer, name)));
        return exit.ok;
      }),
    );
  peers
    .command('forget')
    .summary('forget a peer, and its key')
    .description('Forgets a peer. The next time it is new, whatever its key is then.')
    .argument('<peer>', 'its name, fingerprint or public key')
    .action((peer, _flags, command) =>
      execute(command.optsWithGlobals(), async ({report}) => {
        report(event('forgotten', await (await open()).forget(peer)));
        return exit.ok;
      }),
    );
}

function execute(flags: ReporterFlags, body: (context: CommandContext) => Promise<ExitCode>): Promise<void> {
  return run('peers', flags, (context) => {
    endAtOnce(context);
    return body(context);
  });
}

async function list({report}: CommandContext): Promise<ExitCode> {
  const known = await (await open()).list();
  for (const peer of known) report(event('listed', peer));
  report({event: 'peers', peers: known.length});
  return exit.ok;
}

async function open() {
  const {openKnownPeers} = await import('./known-peers.ts');
  return openKnownPeers();
}

function event(action: KnownEvent['action'], peer: KnownPeer): KnownEvent {
  return {event: 'known', action, ...peer, address: peer.address ?? null};
}

const examples = `
Examples:
  hawser peers                           whom you know
  hawser peers name vm-2 alice           "vm-2" is alice from now on
  hawser peers forget alice              her next key is a new one`;
