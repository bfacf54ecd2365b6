import type {ErrorCode} from '../index.ts';
import type {ErrorEvent} from './events.ts';

/** Where a transfer failed. */
interface Situation {
  readonly listens: boolean;
  /** Whether the peer had proven who it is. */
  readonly connected: boolean;
  /** Whether a code lets in, and not a ticket. */
  readonly byCode: boolean;
}

/** What a person can do about a failure; the message itself says what happened and why. */
export function adviceFor(code: ErrorCode): readonly string[] {
  return advice[code].next;
}

/** The same of a transfer, and what is kept of it. */
export function adviceForTransfer(
  {code, retryable, filesDelivered = 0}: ErrorEvent,
  {listens, connected, byCode}: Situation,
): readonly string[] {
  const {next, nextByCode, again} = advice[code];
  if (listens && code === 'CONNECTION_LOST') return [lostByListener];
  const first = (byCode && nextByCode) || next;
  if (!connected) return first;
  // Who was refused would only be refused again.
  const isWorthIt = again === 'always' || (again === 'if retryable' && retryable);
  if (listens) return isWorthIt ? [...first, keptByListener] : first;
  return [
    ...first,
    ...(filesDelivered > 0 ? ['Files already delivered stay.'] : []),
    ...(isWorthIt ? [byCode ? againByCode : againByTicket] : []),
  ];
}

const againByTicket =
  'Run the same command again to continue, with the new ticket if the other side was restarted without --ticket-file: ' +
  'what is there is skipped.';
const againByCode =
  'Run the same command again to continue, with the code that the other side shows then: what is there is skipped.';
const keptByListener =
  'Files already delivered stay, and so do parts of others. The other side goes on when it connects again.';

const lostByListener =
  'Files already delivered stay, and so do parts of others. The other side tries to come back by itself for a while.';

interface Advice {
  readonly next: readonly string[];
  /** Instead of that, where a code lets in and not a ticket. */
  readonly nextByCode?: readonly string[];
  /** Whether the same command goes on where it was. */
  readonly again?: 'always' | 'if retryable';
}

const routerByCode =
  'Behind a router the other side is reached by its public address, if the router forwards the port.';

const advice: Record<ErrorCode, Advice> = {
  INVALID_OPTION: {next: ['See "hawser --help".']},
  TICKET_INVALID: {next: ['Copy the whole ticket again: it is one word that starts with "hawser1".']},
  TICKET_DIRECTION: {
    next: ['A ticket of "hawser receive" goes with "hawser send", one of "hawser share" with "hawser get".'],
  },
  NAME_NOT_FOUND: {
    next: [
      'Check the spelling and the network here, or ask for a ticket that names an address (--advertise ADDRESS).',
    ],
    nextByCode: ['Check the spelling and the network here, or give the address in numbers.'],
  },
  CONNECTION_REFUSED: {
    next: [
      'Check that the other side still runs, and that a ticket is of this run: each start makes a new one, but for --ticket-file.',
      'A firewall or router in between must let its TCP port through.',
    ],
    nextByCode: [
      'Check that the other side still runs, and that this is the address and port that it shows.',
      'A firewall or router in between must let its TCP port through.',
    ],
  },
  UNREACHABLE: {
    next: [
      'Check the network on both machines.',
      'Behind a router the other side needs --advertise with its public address.',
    ],
    nextByCode: ['Check the address, and the network on both machines.', routerByCode],
  },
  CONNECTION_TIMEOUT: {
    next: [
      'A firewall or router in between probably drops the connection: let the TCP port of the other side through.',
      'Behind a router the other side needs --advertise with its public address.',
    ],
    nextByCode: [
      'A firewall or router in between probably drops the connection: let the TCP port of the other side through.',
      routerByCode,
    ],
  },
  CONNECTION_LOST: {next: ['The other side went away, or the network broke.'], again: 'always'},
  AUTHENTICATION_FAILED: {
    next: [
      'With a ticket: ask for a new one. Each start of the other side makes one, unless it keeps one with --ticket-file.',
      'Without one: the other side must name you with --allow, by the key that "hawser id" shows here.',
      'If neither is it, someone else may be answering at that address.',
    ],
  },
  TICKET_EXPIRED: {next: ['Ask for a new ticket: the other side makes one when it is started again.']},
  CODE_REJECTED: {
    next: [
      'Ask for the code that is shown there now, and compare. Each is good for one transfer, ten minutes and three tries, of ' +
        'which a wrong one costs one; after several it may take a minute until another is looked at.',
      'If that is what you typed, someone else may be answering at that address.',
    ],
  },
  KEY_CHANGED: {
    next: [
      'Somebody may be posing as the one you know. Or that one was set up anew, or another user or machine has its address or name now.',
      'Ask there what "hawser id" says, by telephone or in person, and compare, before you forget the known key.',
    ],
  },
  REFUSED: {next: [], again: 'if retryable'},
  INTEGRITY: {
    next: ['Something between the two disks changes bytes: check the memory and disk of both machines.'],
    again: 'always',
  },
  PORT_IN_USE: {
    next: ['End the other program, choose another --port, or leave --port out to take any that is free.'],
  },
  ADDRESS_UNAVAILABLE: {
    next: ['--bind takes addresses of this machine. Leave it out to listen on all of them.'],
  },
  PERMISSION_DENIED: {
    next: ['Check what your user may do there.'],
  },
  NOT_FOUND: {next: ['Check the spelling and the folder you are in.']},
  FOLDER_IN_USE: {next: ['End the other one, or choose another folder: one receiver serves many senders.']},
  DISK_FULL: {next: ['Free some space or choose another folder.'], again: 'always'},
  IO: {next: ['Check the path and the disk.'], again: 'always'},
  VERSION_MISMATCH: {next: ['Install the same version on both machines: npm install --global hawser@latest']},
  PROTOCOL: {
    next: ['Check that the ticket is of this run, and that both machines run the same version of hawser.'],
    nextByCode: ['Check the address and port, and that both machines run the same version of hawser.'],
    again: 'always',
  },
  CANCELLED: {next: [], again: 'always'},
  NATIVE_LOAD: {next: []},
  INTERNAL: {next: ['This is a defect in hawser. Please report it.'], again: 'always'},
};
