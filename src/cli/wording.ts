import type {Outage, Peer, Progress, ShownCode, TicketLimits, TicketUse, VerifyProgress} from '../index.ts';
import {commandLine, withoutTicket} from './command-line.ts';
import {displayName} from './display.ts';
import type {
  Acquaintance,
  CodeEvent,
  EntryEvent,
  ErrorEvent,
  FinishedEvent,
  ListeningEvent,
  PeerEvent,
  ReconnectingEvent,
  TurnedAwayEvent,
  VerifiedEvent,
} from './events.ts';
import {formatBytes, formatClock, formatCount, formatDuration, formatFiles, formatRate} from './format.ts';
import type {TransferCommand} from './reporter.ts';

/** What a listener tells whoever started it: where it listens and what the other side has to type. */
export function listeningText(command: TransferCommand, event: ListeningEvent): string {
  const {addresses, ticket} = event;
  const where = `Listening on ${addresses.map(addressText).join(' and ')}. Ctrl-C ends it.`;
  const limits = limitsText(event);
  return [where, ...(ticket === null ? [] : [ticketText(command, ticket)]), ...(limits ? [limits] : [])].join(
    '\n',
  );
}

/** `Limits: 0 of 1 peer so far; 0 B of 10 GB; new peers until 2026-11-23 14:05 UTC` */
function limitsText({limits, used}: ListeningEvent): string {
  const {uses, bytes, entries, expiresAt} = limits;
  const texts = [
    uses !== undefined &&
      `${formatCount(used.peers)} of ${formatCount(uses)} ${uses === 1 ? 'peer' : 'peers'} so far`,
    bytes !== undefined && `${formatBytes(used.bytes)} of ${formatBytes(bytes)}`,
    entries !== undefined &&
      `${formatCount(used.entries)} of ${formatCount(entries)} files, folders and links`,
    expiresAt !== undefined && `new peers until ${formatDate(expiresAt)}`,
  ].filter((text) => text !== false);
  return texts.length > 0 ? `Limits: ${texts.join('; ')}` : '';
}

/** `of the quota of this ticket 0 of 1,000 files, folders and links (--max-files) are left` */
export function quotaText({bytes, entries}: TicketLimits, used: TicketUse): string {
  const texts = [
    bytes !== undefined &&
      `${formatBytes(Math.max(bytes - used.bytes, 0))} of ${formatBytes(bytes)} (--max-bytes)`,
    entries !== undefined &&
      `${formatCount(Math.max(entries - used.entries, 0))} of ${formatCount(entries)} files, folders and links (--max-files)`,
  ].filter((text) => text !== false);
  return `of the quota of this ticket ${texts.join(' and ')} are left`;
}

/** `2026-11-23 14:05 UTC` */
function formatDate(time: number): string {
  return `${new Date(time).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** What the other side has to type, with a ticket or an address. */
export function ticketText(command: TransferCommand, to: string): string {
  return command === 'receive'
    ? `Send from the other machine with:\n  npx hawser send <files> --to ${to}`
    : `Fetch on the other machine with:\n  npx hawser get ${to}`;
}

/** What the other side has to type to come with the first code. */
export function codeText(command: TransferCommand, {addresses: [best, ...others], code}: CodeEvent): string {
  const elsewhere = others.length > 0 ? `\n(or, where that does not lead here: ${others.join(', ')})` : '';
  return `${ticketText(command, `${best} --code`)}${elsewhere}\nand, when it asks for the code:\n  ${code}`;
}

/** What has become of the code before. */
export function codeChangeText(reason: Exclude<ShownCode['reason'], 'first'>): string {
  switch (reason) {
    case 'used':
      return 'That code is used up. For another peer, or should this one have to start again:';
    case 'guessed':
      return 'somebody came with a wrong code three times. It is good for nothing any more; another one:';
    case 'expired':
      return 'That code was ten minutes old. Another one:';
    case 'revoked':
      return 'That code is revoked: it lets nobody in any more. Another one:';
  }
}

/** One socket serves both families where all addresses are bound. */
function addressText(address: string): string {
  return address.startsWith('[::]:') ? `port ${address.slice('[::]:'.length)}, IPv4 and IPv6` : address;
}

export function peerText(command: TransferCommand, peer: PeerEvent, asks: boolean): string {
  const who = identityText(peer);
  switch (command) {
    case 'receive':
      return asks ? `${who} wants to send.` : `${who} is sending.`;
    case 'share':
      return `${who} is fetching.`;
    case 'send':
    case 'get':
      return `Connected to ${who}.`;
  }
}

/**
 * `alice (192.0.2.7:50123, key abcd-efgh-ijkl-mnop)` where the user gave it that name, and else
 * `192.0.2.7:50123 (calls itself "vm", key abcd-efgh-ijkl-mnop, new)`.
 */
export function identityText(peer: Peer & Acquaintance): string {
  const {address, fingerprint, isNew} = peer;
  const name = peerName(peer);
  const rest = `key ${fingerprint}${isNew ? ', new' : ''}`;
  if (peer.named) return `${name} (${address}, ${rest})`;
  return name === address ? `${address} (${rest})` : `${address} (calls itself ${name}, ${rest})`;
}

/** The name that the user gave it, or else, in quotes, what it calls itself. */
export function peerName({knownAs, named, name, address}: Peer & Acquaintance): string {
  if (knownAs !== null && named) return knownAs;
  const label = name || (knownAs ?? '');
  // What it calls itself must not end the quotes.
  return label === '' ? address : `"${displayName(label, 40).replaceAll('"', '\\u{22}')}"`;
}

/** `Turned away alice (192.0.2.7:50123, key …): as many have come with the ticket as may (--uses).` */
export function turnedAwayText(event: TurnedAwayEvent): string {
  return `Turned away ${identityText({...event, name: ''})}: ${turnedAwayFor[event.reason]}`;
}

const turnedAwayFor: Record<TurnedAwayEvent['reason'], string> = {
  'used-up': 'as many have come with the ticket as may (--uses). Another ticket lets it in.',
  expired: 'the time of the ticket is over (--expires). Another ticket lets it in.',
  busy: 'there are too many transfers. It tries again by itself for a minute.',
};

/** `Connection lost: trying again (attempt 3, 0:42 of 10:00)…` */
function outageText({attempt, elapsedMs, retryMs}: Outage): string {
  const limit = retryMs === Infinity ? '' : ` of ${formatClock(retryMs)}`;
  return `Connection lost: trying again (attempt ${formatCount(attempt)}, ${formatClock(elapsedMs)}${limit})…`;
}

/** What a log says once, where the attempts are not shown. */
export function lostText({retryMs}: ReconnectingEvent): string {
  const time = retryMs === null || retryMs === Infinity ? '' : ` for ${formatClock(retryMs)}`;
  return `Connection lost: trying again${time}…`;
}

/** What became of what an interrupted transfer had done, and how to go on. */
export function interruptedLines(
  command: TransferCommand,
  {filesDelivered = 0, bytesDelivered = 0, accepted}: ErrorEvent,
): string[] {
  if (!accepted) return ['Interrupted before anything was transferred.'];
  const delivered = `${formatFiles(filesDelivered)} (${formatBytes(bytesDelivered)})`;
  const stay = `Interrupted. ${delivered} ${filesDelivered === 1 ? 'is delivered and stays' : 'are delivered and stay'}`;
  switch (command) {
    case 'send':
      return [`${stay}; parts of files under way are kept by the receiver.`, ...continueLines()];
    case 'get':
      return [`${stay}; parts of files under way are kept.`, ...continueLines()];
    case 'receive':
    case 'share':
      return [`${stay}. When the other side runs its command again, it goes on from there.`];
  }
}

/** With the ticket only where a person reads it: the log of a build is kept, and read by others. */
function continueLines(): string[] {
  const args = process.argv.slice(2);
  if (args.includes('--code'))
    return ['Continue, with the new code that is shown there, by:', `  ${commandLine(args)}`];
  const safe = withoutTicket(args);
  // One that came from the environment, or was typed in, does not show anyway.
  return process.stderr.isTTY || safe.length === args.length
    ? ['Continue with:', `  ${commandLine(args)}`]
    : ['To continue, with the ticket in HAWSER_TICKET:', `  ${commandLine(safe)}`];
}

/** ` 62%  911/1,204 files  23.7 GB/38.2 GB  1.08 GB/s  ETA 0:14`; a `+` marks totals that still grow. */
export function progressText(command: TransferCommand, progress: Progress): string {
  if (progress.state === 'connecting') return 'Connecting…';
  if (progress.outage) return outageText(progress.outage);
  if (!progress.accepted)
    return isSource(command) ? 'Waiting for the other side to accept…' : 'Not accepted yet…';
  const {walking, filesDone, filesTotal, bytesDone, bytesTotal, bytesPerSecond, etaMs} = progress;
  const more = walking ? '+' : '';
  return [
    walking ? '   …' : `${percent(bytesDone, bytesTotal)}%`.padStart(4),
    `${formatCount(filesDone)}/${formatCount(filesTotal)}${more} files`,
    `${formatBytes(bytesDone)}/${formatBytes(bytesTotal)}${more}`,
    formatRate(bytesPerSecond),
    ...(etaMs === null ? [] : [`ETA ${formatClock(etaMs)}`]),
  ].join('  ');
}

/** `photos/img.jpg: the file changed while it was read` */
export function failureText(entry: EntryEvent & {readonly fate: 'failed'}): string {
  return `${displayName(entry.path)}: ${displayName(entry.message)}`;
}

/** `Sent 1,204 files, 1.2 GB in 3.4 s (353 MB/s)`, and what else there is to know. */
export function summaryText(
  command: TransferCommand,
  peer: PeerEvent | undefined,
  totals: FinishedEvent,
): string {
  const {
    files,
    bytes,
    durationMs,
    filesPresent,
    bytesPresent,
    bytesMoved,
    bytesResumed,
    restarted,
    renamed,
    failed,
  } = totals;
  const rate = durationMs > 0 ? ` (${formatRate((bytesMoved / durationMs) * 1000)})` : '';
  const moved = `${formatFiles(files)}, ${formatBytes(bytes)} in ${formatDuration(durationMs)}${rate}`;
  const verb = isSource(command) ? 'Sent' : 'Received';
  const nothingNew = files === 0 && filesPresent > 0;
  return [
    nothingNew
      ? `Already there: ${formatFiles(filesPresent)}, ${formatBytes(bytesPresent)}${counterpart(command, peer)}`
      : `${verb} ${moved}${counterpart(command, peer)}`,
    ...(filesPresent > 0 && !nothingNew ? [`${formatCount(filesPresent)} already there`] : []),
    ...(files > 0 && bytesResumed > 0 ? [`${formatBytes(bytesResumed)} of them were there from before`] : []),
    ...(restarted > 0 ? [`${formatCount(restarted)} begun before had to start over`] : []),
    ...(renamed > 0 ? [`${formatCount(renamed)} renamed, as their names were taken`] : []),
    ...(failed > 0 ? [`${formatCount(failed)} failed`] : []),
  ].join('; ');
}

/** `911/1,204 files  23.7 GB  1.08 GB/s  2 differ` */
export function verifyingText(progress: VerifyProgress): string {
  const {filesDone, filesTotal, bytesDone, bytesPerSecond, different} = progress;
  if (filesTotal === 0) return 'Reading the record…';
  return [
    `${formatCount(filesDone)}/${formatCount(filesTotal)} files`,
    formatBytes(bytesDone),
    formatRate(bytesPerSecond),
    ...(different > 0 ? [`${formatCount(different)} differ`] : []),
  ].join('  ');
}

/** `Verified 1,204 files, 1.2 GB in 3.4 s: all as delivered`, or how many are not. */
export function verifiedText(verified: VerifiedEvent): string {
  const {sessions, files, bytes, durationMs, changed, missing, unreadable} = verified;
  const of = sessions.length > 1 ? ` of ${formatCount(sessions.length)} sessions` : '';
  const found = Object.entries({changed, missing, unreadable}).filter(([, count]) => count > 0);
  const result = found.map(([change, count]) => `${formatCount(count)} ${change}`).join(', ');
  const looked = `${formatFiles(files)}${of}, ${formatBytes(bytes)} in ${formatDuration(durationMs)}`;
  return `Verified ${looked}: ${result || 'all as delivered'}`;
}

function isSource(command: TransferCommand): boolean {
  return command === 'send' || command === 'share';
}

/** A listener serves many: say who. */
function counterpart(command: TransferCommand, peer: PeerEvent | undefined): string {
  if (!peer) return '';
  if (command === 'receive') return ` from ${peerName(peer)}`;
  return command === 'share' ? ` to ${peerName(peer)}` : '';
}

export function percent(done: number, total: number): number {
  return total > 0 ? Math.floor((done / total) * 100) : 100;
}
