import {existsSync} from 'node:fs';
import {HawserError, isHawserError, type Listener, type ListenOptions, type TicketLimits} from '../index.ts';
import type {Memory} from './known-peers.ts';
import {defaultPort} from './options.ts';
import type {CommandContext} from './run.ts';

/** How `receive` and `share` are asked to listen. */
export interface ListenFlags {
  readonly port?: number | undefined;
  readonly bind?: readonly string[] | undefined;
  readonly advertise?: readonly string[] | undefined;
  readonly limit?: number | undefined;
  readonly allow?: readonly string[] | undefined;
  readonly ticketFile?: string | undefined;
  readonly expires?: number | undefined;
  readonly uses?: number | undefined;
  readonly maxBytes?: number | undefined;
  readonly maxFiles?: number | undefined;
  readonly code?: true | undefined;
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
  const {bind, advertise, limit, ticketFile, code: codes} = flags;
  const {findIdentity, keepIdentity} = await import('./identity.ts');
  const entries = flags.json ? 'all' : 'failed';
  const reservedNames = await memory.reservedNames();
  const allow = await memory.keysOf(flags.allow ?? []);
  const ticketLimits = limitsOf(flags);
  const common = {
    bind,
    advertise,
    limit,
    entries,
    reservedNames,
    allow,
    ticketLimits,
    codes,
    signal,
  } as const;
  if (ticketFile === undefined) {
    const identity = await findIdentity(report);
    return openPort(flags.port, (port) => open({...common, identity, port}));
  }
  // A ticket is good for one key only: without the key there is no use in keeping it.
  const {key: identity, path: identityFile} = await keepIdentity();
  const {keepTicket, readTicket} = await import('./ticket-file.ts');
  const ticket = await readTicket(ticketFile);
  const options = {...common, identity, ledger: ledgerOf(ticketFile, ticketLimits)};
  if (ticket !== undefined) {
    const opened = open({...options, ticket, port: flags.port});
    return opened.catch((cause: unknown) => {
      throw explainTicket(cause, ticketFile, identityFile);
    });
  }
  const listener = await openPort(flags.port, (port) => open({...options, port}));
  try {
    await keepTicket(ticketFile, listener.ticket);
  } catch (error) {
    await listener.close({graceMs: 0});
    throw error;
  }
  return listener;
}

function limitsOf({expires, uses, maxBytes, maxFiles}: ListenFlags): TicketLimits {
  return {lifetimeMs: expires, uses, bytes: maxBytes, entries: maxFiles};
}

/** Beside the ticket, where there is something to remember. One that is there tells of limits that are not to be lost. */
function ledgerOf(ticketFile: string, limits: TicketLimits): string | undefined {
  const path = `${ticketFile}.ledger`;
  const isLimited = Object.values(limits).some((limit) => limit !== undefined);
  if (isLimited) return path;
  if (!existsSync(path) || !existsSync(ticketFile)) return undefined;
  throw new HawserError(
    'INVALID_OPTION',
    `the ticket in ${ticketFile} has limits, of which ${path} tells: give --expires, --uses, --max-bytes or --max-files as ` +
      'before, or remove that file to lift them',
  );
}

/** What is wrong with a ticket that is kept, in terms of the files. */
function explainTicket(cause: unknown, ticketFile: string, identityFile: string): unknown {
  if (!isHawserError(cause)) return cause;
  if (cause.code === 'TICKET_INVALID') {
    const text = `${ticketFile} holds no ticket: move it away, and a new one is made`;
    return new HawserError('IO', text, {cause});
  }
  // The code is that of every wrong option.
  if (cause.code !== 'INVALID_OPTION') return cause;
  if (cause.message.includes('expired')) {
    const text = `the ticket in ${ticketFile} has expired: move it away, and a new one is made`;
    return new HawserError('INVALID_OPTION', text, {cause});
  }
  if (!cause.message.includes('another identity')) return cause;
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
