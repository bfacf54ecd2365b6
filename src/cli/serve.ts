import {isIPv6} from 'node:net';
import type {Listener, Transfer} from '../index.ts';
import {errorEvent, type ListeningEvent} from './events.ts';
import {exit, type ExitCode} from './exit.ts';
import {follow} from './follow.ts';
import {formatDuration} from './format.ts';
import {openKeys} from './keys.ts';
import type {Memory} from './known-peers.ts';
import type {ListenFlags} from './open-listener.ts';
import {defaultGraceMs, defaultPort} from './options.ts';
import type {Reporter} from './reporter.ts';
import type {CommandContext} from './run.ts';
import {quotaText} from './wording.ts';

/** How `receive` and `share` are asked to serve. */
interface ServeFlags extends ListenFlags {
  readonly once?: true | undefined;
  readonly grace?: number | undefined;
}

/**
 * Serves sessions, several at a time, until interrupted or, with `once`, until the first has finished. Gives the exit
 * code of that one; otherwise an interrupt is how a listener ends, and only one that cut a transfer short shows.
 */
export async function serve(
  listener: Listener,
  flags: ServeFlags,
  context: CommandContext,
  memory: Memory,
): Promise<ExitCode> {
  const {ticket, port, addresses} = listener;
  const {report, terminated} = context;
  report({
    event: 'listening',
    ticket: flags.code ? null : ticket,
    port,
    addresses,
    limits: limitsOf(listener, flags),
    used: listener.ticketUse,
  });

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
    const explaining = {...context, report: explainQuota(listener, flags, report)};
    const code = await follow(transfer, ++transfers, explaining, (peer, accepted) =>
      memory.meet(peer, accepted),
    );
    if (code === exit.interrupted) {
      // Parked, it goes on with the listener that is started next.
      if (!terminated.aborted) result = code;
    } else if (flags.once && code !== exit.connect) {
      // One whose connection was lost comes back, as long as the other side tries.
      result ??= code;
      await listener.close();
    }
  };

  const showing = Promise.all([showCodes(listener, context), showTurnedAway(listener, context, memory)]);
  const closeKeys = listenForRevocation(listener, flags, context);
  try {
    for await (const transfer of listener) {
      const served = serveOne(transfer).finally(() => following.delete(served));
      following.add(served);
    }
    await Promise.all([...following, showing]);
  } finally {
    closeKeys();
  }
  return result ?? exit.ok;
}

/** JSON has no word for what is left out. */
function limitsOf({expiresAt}: Listener, {uses, maxBytes, maxFiles}: ServeFlags): ListeningEvent['limits'] {
  return {
    ...(expiresAt === undefined ? {} : {expiresAt: expiresAt.getTime()}),
    ...(uses === undefined ? {} : {uses}),
    ...(maxBytes === undefined ? {} : {bytes: maxBytes}),
    ...(maxFiles === undefined ? {} : {entries: maxFiles}),
  };
}

/** Before the end of a transfer of which something was beyond the quota: how much of that is left. */
function explainQuota(listener: Listener, {maxBytes, maxFiles}: ServeFlags, report: Reporter): Reporter {
  let isBeyond = false;
  return (event) => {
    isBeyond ||= event.event === 'entry' && event.fate === 'failed' && event.code === 'QUOTA';
    if (isBeyond && event.event === 'finished') {
      const message = quotaText({bytes: maxBytes, entries: maxFiles}, listener.ticketUse);
      report({event: 'notice', message});
    }
    report(event);
  };
}

/** Each code that the listener shows, with where to go with it. */
async function showCodes(listener: Listener, {report}: CommandContext): Promise<void> {
  const addresses = listener.hosts.map((host) => addressOf(host, listener.port));
  for await (const shown of listener.codes()) report({event: 'code', ...shown, addresses});
}

/** Whom the user may want to do something for. */
async function showTurnedAway(listener: Listener, {report}: CommandContext, memory: Memory): Promise<void> {
  for await (const refused of listener.turnedAway()) {
    report({event: 'turned-away', ...refused, ...(await memory.recall(refused))});
  }
}

/** As `--to` takes it: the port that is assumed there need not be said. */
function addressOf(host: string, port: number): string {
  if (port === defaultPort) return host;
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Has the key `r` revoke what lets peers in, until the result is called. */
function listenForRevocation(
  listener: Listener,
  {code, ticketFile}: ServeFlags,
  {report}: CommandContext,
): () => void {
  const revokeAndTell = async (): Promise<void> => {
    const before = listener.ticket;
    try {
      await revoke(listener, ticketFile);
    } catch (error) {
      report(errorEvent(error));
    }
    // With codes there is no ticket to show: the next code says that it was revoked.
    if (!code && listener.ticket !== before) report({event: 'revoked', ticket: listener.ticket});
  };
  let revoking = Promise.resolve();
  const close = openKeys((key) => {
    if (key.toLowerCase() === 'r') revoking = revoking.then(revokeAndTell);
  });
  if (!close) return () => {};
  const shown = code ? 'the code that is shown' : 'this ticket';
  report({event: 'notice', message: `press r to revoke ${shown} and get another`});
  return close;
}

async function revoke(listener: Listener, ticketFile: string | undefined): Promise<void> {
  if (ticketFile === undefined) {
    await listener.revoke();
    return;
  }
  const {dropTicket, keepTicket} = await import('./ticket-file.ts');
  // First, so that the old one does not come back should this process end in between.
  let ticket;
  try {
    await dropTicket(ticketFile);
  } finally {
    ticket = await listener.revoke();
  }
  await keepTicket(ticketFile, ticket);
}
