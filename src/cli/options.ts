import {parseByteCount, parseByteRate} from './byte-rate.ts';
import {InvalidArgumentError, Option} from './commander.ts';
import {parseDuration} from './duration.ts';

/** The port that `receive` and `share` take when none is asked for and it is free. */
export const defaultPort = 7707;

/** How long transfers that run have to finish when the system ends `receive` or `share`. */
export const defaultGraceMs = 10_000;

// How to speak: all commands.
export const json = new Option('--json', 'print events for programs, one JSON object a line');
export const quiet = new Option('-q, --quiet', 'say nothing but errors').conflicts('json');

// How fast: all commands, with words of their own for those that listen.
export const limit = limitOption('bytes a second at most, such as 500k, 1.5M or 64KiB');
export const sharedLimit = limitOption(
  'bytes a second at most, of all transfers together, such as 500k, 1.5M or 64KiB',
);

// How to listen: receive and share.
export const port = new Option(
  '--port <number>',
  `TCP port to listen on (default: ${defaultPort}, or a free one when it is taken)`,
).argParser(wholeNumber(0, 65_535));
export const bind = new Option(
  '--bind <address>',
  'IP address to listen on; repeatable (default: all, IPv4 and IPv6)',
).argParser(collect);
export const advertise = new Option(
  '--advertise <host>',
  "host for the ticket to name; repeatable (behind a router: the router's public address)",
).argParser(collect);
export const allow = new Option(
  '--allow <peer>',
  'let a peer in without a ticket, by name (as it is known at the start), fingerprint or public key; repeatable',
).argParser(collect);
export const once = new Option('--once', 'end after the first finished transfer, with its exit code');
export const ticketFile = new Option(
  '--ticket-file <path>',
  'keep the ticket in a file that only you can read, so that it is the same when started again',
);
export const showCode = new Option(
  '--code',
  'show an address and three words instead of a ticket, for somebody to type; without --ticket-file, --expires and --uses',
).conflicts(['ticketFile', 'expires', 'uses']);
export const expires = new Option(
  '--expires <duration>',
  'let nobody new in with the ticket after so long, such as 30m, 12h or 7d',
).argParser(lifetime);
export const uses = new Option(
  '--uses <count>',
  'how many may use the ticket; 1: only the first, who may come again',
).argParser(wholeNumber(1, 2 ** 32 - 1));
export const grace = new Option(
  '--grace <duration>',
  'on SIGTERM, time for running transfers to finish, such as 30s or 5m (default: 10s)',
).argParser(duration);

// Whom to let write: receive and get.
export const ask = new Option(
  '--ask',
  'before anything is written, show on the terminal who offers what, and ask',
);

// How much to take: receive.
export const maxBytes = new Option(
  '--max-bytes <size>',
  'bytes of files that all who need a ticket or code may send together, such as 500M or 10G',
).argParser(byteCount);
export const maxFiles = new Option(
  '--max-files <count>',
  'files, folders and links that all who need a ticket or code may send together',
).argParser(wholeNumber(1, Number.MAX_SAFE_INTEGER));

// How to write: receive and get.
export const durability = new Option(
  '--durability <when>',
  'when files are on disk: "session", before the end (default); "file", each before it counts; "none"',
).choices(['session', 'file', 'none'] as const);

// How to dial: send and get.
export const typeCode = new Option(
  '--code',
  'go by an address and the code that the other side shows: HAWSER_CODE, or asked for',
);
export const checksum = new Option(
  '--checksum',
  'compare files that are there by content, not by size and time',
);
export const verify = new Option(
  '--verify',
  'have each file read again from the disk it was written to, before it gets its name',
);
export const lanes = new Option(
  '--lanes <number>',
  'TCP connections to use, 1 to 16 (default: as many as pay)',
).argParser(wholeNumber(1, 16));

export const retry = new Option(
  '--retry <duration>',
  'when the connection is lost, try again for so long: 0, 90s, 1h30m, forever (default: 10m)',
).argParser(duration);

/** For whoever may need to know who they are to others. */
export const whoYouAre = `
Others know you by a key, made at its first use. It is identity.pem in the
folder HAWSER_CONFIG_DIR or else in ~/.config/hawser (on macOS in
~/Library/Application Support/hawser, on Windows in %APPDATA%\\hawser).`;

function duration(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds !== undefined) return milliseconds;
  throw new InvalidArgumentError(
    'It must be a time such as 90s, 10m or 1h30m, a number of seconds, or forever.',
  );
}

/** A ticket says in whole seconds when it expires. */
function lifetime(text: string): number {
  const milliseconds = duration(text);
  if (milliseconds >= 1000) return milliseconds;
  throw new InvalidArgumentError('It must be a second or more.');
}

function byteCount(text: string): number {
  const bytes = parseByteCount(text);
  if (bytes !== undefined && bytes >= 1 && Number.isSafeInteger(bytes)) return bytes;
  throw new InvalidArgumentError(
    'It must be a number of bytes, alone or with K, M or G (powers of 1000) or Ki, Mi or Gi (of 1024), such ' +
      'as 500M, 1.5G or 64KiB.',
  );
}

function limitOption(description: string) {
  return new Option('--limit <rate>', description).argParser(byteRate);
}

function byteRate(text: string): number {
  const rate = parseByteRate(text);
  if (rate !== undefined) return rate;
  throw new InvalidArgumentError(
    'It must be bytes a second: a number, alone or with K, M or G (powers of 1000) or Ki, Mi or Gi (of 1024), ' +
      'such as 500k, 1.5M, 64KiB or 2MB/s.',
  );
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = /^\d+$/.test(text) ? Number(text) : NaN;
    if (number >= min && number <= max) return number;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}
