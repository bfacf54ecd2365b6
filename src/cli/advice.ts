import type {ErrorCode} from '../index.ts';

/** What a person can do about a failure, and what is kept; the message itself says what happened and why. */
export function adviceFor(
  code: ErrorCode,
  listens: boolean,
  connected: boolean,
  byCode = false,
): readonly string[] {
  const {next, kept} = advice[code];
  if (listens && code === 'CONNECTION_LOST') return [lostByListener];
  if (!kept || !connected) return next;
  return [...next, listens ? keptByListener : byCode ? keptByCode : keptByDialler];
}

const keptByDialler =
  'Files already delivered stay. Run the same command again to continue, with the new ticket if the other side was ' +
  'restarted without --ticket-file: what is there is skipped.';
const keptByCode =
  'Files already delivered stay. Run the same command again to continue, with the code that the other side shows then: ' +
  'what is there is skipped.';
const keptByListener =
  'Files already delivered stay, and so do parts of others. The other side goes on when it connects again.';

const lostByListener =
  'Files already delivered stay, and so do parts of others. The other side tries to come back by itself for a while.';

interface Advice {
  readonly next: readonly string[];
  /** Whether it may happen when files have been delivered already. */
  readonly kept?: true;
}

const advice: Record<ErrorCode, Advice> = {
  INVALID_OPTION: {next: ['See "hawser --help".']},
  TICKET_INVALID: {next: ['Copy the whole ticket again: it is one word that starts with "hawser1".']},
  TICKET_DIRECTION: {
    next: ['A ticket of "hawser receive" goes with "hawser send", one of "hawser share" with "hawser get".'],
  },
  NAME_NOT_FOUND: {
    next: ['Check the network here, or ask for a ticket that names an address (--advertise ADDRESS).'],
  },
  CONNECTION_REFUSED: {
    next: [
      'Check that the other side still runs and that the ticket is of this run: each start makes a new one, but for --ticket-file.',
      'A firewall or router in between must let its TCP port through.',
    ],
  },
  UNREACHABLE: {
    next: [
      'Check the network on both machines.',
      'Behind a router the other side needs --advertise with its public address.',
    ],
  },
  CONNECTION_TIMEOUT: {
    next: [
      'A firewall or router in between probably drops the connection: let the TCP port of the other side through.',
      'Behind a router the other side needs --advertise with its public address.',
    ],
  },
  CONNECTION_LOST: {next: ['The other side went away, or the network broke.'], kept: true},
  AUTHENTICATION_FAILED: {
    next: [
      'Ask for a new ticket: each start of the other side makes one, unless it keeps one with --ticket-file.',
      'If it is the newest, someone else may be answering at that address.',
      'Without a ticket, the other side must name you with --allow, and be who you know.',
    ],
  },
  TICKET_EXPIRED: {next: ['Ask for a new ticket: the other side makes one when it is started again.']},
  CODE_REJECTED: {
    next: [
      'Ask for the code that is shown now, and run the same command again: each is good for one transfer, ten minutes ' +
        'and three tries.',
      'If that is what you typed, someone else may be answering at that address.',
    ],
  },
  KEY_CHANGED: {
    next: [
      'Somebody may be posing as the one you know. Or that one was set up anew, or another machine has its address or name now.',
      'Ask there what "hawser id" says, by telephone or in person, and compare, before you forget the known key.',
    ],
  },
  REFUSED: {next: [], kept: true},
  INTEGRITY: {
    next: ['Something between the two disks changes bytes: check the memory and disk of both machines.'],
    kept: true,
  },
  PORT_IN_USE: {
    next: ['End the other program, choose another --port, or leave --port out to take any that is free.'],
  },
  ADDRESS_UNAVAILABLE: {
    next: ['--bind takes addresses of this machine. Leave it out to listen on all of them.'],
  },
  PERMISSION_DENIED: {
    next: ['Check who owns the file or folder; a port below 1024 often needs more rights than a higher one.'],
  },
  NOT_FOUND: {next: ['Check the spelling and the folder you are in.']},
  FOLDER_IN_USE: {next: ['End the other one, or choose another folder: one receiver serves many senders.']},
  DISK_FULL: {next: ['Free some space or choose another folder.'], kept: true},
  IO: {next: ['Check the path and the disk.'], kept: true},
  VERSION_MISMATCH: {next: ['Install the same version on both machines: npm install --global hawser@latest']},
  PROTOCOL: {
    next: ['Check that the ticket is of this run, and that both machines run the same version of hawser.'],
    kept: true,
  },
  CANCELLED: {next: [], kept: true},
  NATIVE_LOAD: {next: []},
  INTERNAL: {next: ['This is a defect in hawser. Please report it.'], kept: true},
};
