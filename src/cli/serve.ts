import {HawserError, isHawserError, type Listener, type ListenOptions, type Transfer} from '../index.ts';
import {exit, type ExitCode} from './exit.ts';
import {follow} from './follow.ts';
import {formatDuration} from './format.ts';
import type {Memory} from './known-peers.ts';
import {defaultGraceMs, defaultPort} from './options.ts';
import type {CommandContext} from './run.ts';

/** What `receive` and `share` are asked for besides what they work with. */
interface ListenFlags {
  readonly port?: number | undefined;
  readonly bind?: readonly string[] | undefined;
  readonly advertise?: readonly string[] | undefined;
  readonly limit?: number | undefined;
  readonly allow?: readonly string[] | undefined;
  readonly once?: true | undefined;
  readonly ticketFile?: string | undefined;
  readonly grace?: number | undefined;
  readonly json?: true | undefined;
}

/**
 * Opens a listener as the user, with the ticket of the earlier run where one is kept. The port is the one asked for, or
 * that of the kept ticket, or else the default one, or else any that is free.
 */
export async function openListener(
  flags: ListenFlags,
  {report, signal}: CommandContext,
  memory: Memory,
  open: (options: ListenOptions) => Promise<Listener>,
): Promise<Listener> {
  const {bind, advertise, limit, ticketFile} = flags;
  const {findIdentity, keepIdentity} = await import('./identity.ts');
  const entries = flags.json ? 'all' : 'failed';
  const reservedNames = await memory.reservedNames();
  const allow = await memory.keysOf(flags.allow ?? []);
  const options = {bind, advertise, limit, entries, reservedNames, allow, signal} as const;
  if (ticketFile === undefined) {
    const identity = await findIdentity(report);
    return openPort(flags.port, (port) => open({...options, identity, port}));
  }
  // A ticket is good for one key only: without the key there is no use in keeping it.
  const {key: identity, path: identityFile} = await keepIdentity();
  const {keepTicket, readTicket} = await import('./ticket-file.ts');
  const ticket = await readTicket(ticketFile);
  if (ticket !== undefined) {
    const opened = open({...options, identity, ticket, port: flags.port});
    return opened.catch((cause: unknown) => {
      throw explainTicket(cause, ticketFile, identityFile);
    });
  }
  const listener = await openPort(flags.port, (port) => open({...options, identity, port}));
  try {
    await keepTicket(ticketFile, listener.ticket);
  } catch (error) {
    await listener.close({graceMs: 0});
    throw error;
  }
  return listener;
}

/** What is wrong with a ticket that is kept, in terms of the files. */
function explainTicket(cause: unknown, ticketFile: string, identityFile: string): unknown {
  if (!isHawserError(cause)) return cause;
  if (cause.code === 'TICKET_INVALID') {
    const text = `${ticketFile} holds no ticket: move it away, and a new one is made`;
    return new HawserError('IO', text, {cause});
  }
  // The code is that of every wrong option.
  if (cause.code !== 'INVALID_OPTION' || !cause.message.includes('another identity')) return cause;
  const text =
    `the ticket in ${ticketFile} is one of another identity than that in ${identityFile}: bring that one back, or ` +
    'move the ticket away, and a new one is made';
  return new HawserError('INVALID_OPTION', text, {cause});
}

async function openPort(
  asked: number | undefined,
  open: (port: number) => Promise<Listener>,
): Promise<Listener> {
  if (asked !== undefined) return open(asked);
  try {
    return await open(defaultPort);
  } catch (error) {
    if (isHawserError(error) && error.code === 'PORT_IN_USE') return open(0);
    throw error;
  }
}

/**
 * Serves sessions, several at a time, until interrupted or, with `once`, until the first has finished. Gives the exit
 * code of that one; otherwise an interrupt is how a listener ends, and only one that cut a transfer short shows.
 */
export async function serve(
  listener: Listener,
  flags: ListenFlags,
  context: CommandContext,
  memory: Memory,
): Promise<ExitCode> {
  const {ticket, port, addresses} = listener;
  const {report, terminated} = context;
  report({event: 'listening', ticket, port, addresses});

  const following = new Set<Promise<void>>();
  let result: ExitCode | undefined;
  let transfers = 0;

  const stop = (): void => {
    const graceMs = flags.grace ?? defaultGraceMs;
    if (following.size > 0) {
      const time = graceMs === Infinity ? 'all the time they need' : formatDuration(graceMs);
      report({event: 'notice', message: `stopping: transfers that run have ${time} to finish`});
    }
    void listener.close({graceMs});
  };
  if (terminated.aborted) stop();
  terminated.addEventListener('abort', stop);

  const serveOne = async (transfer: Transfer): Promise<void> => {
    const code = await follow(transfer, ++transfers, context, (peer) => memory.remember(peer));
    if (code === exit.interrupted) {
      // Parked, it goes on with the listener that is started next.
      if (!terminated.aborted) result = code;
    } else if (flags.once && code !== exit.connect) {
      // One whose connection was lost comes back, as long as the other side tries.
      result ??= code;
      await listener.close();
    }
  };

  for await (const transfer of listener) {
    const served = serveOne(transfer).finally(() => following.delete(served));
    following.add(served);
  }
  await Promise.all(following);
  return result ?? exit.ok;
}
