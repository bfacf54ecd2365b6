import {adviceFor} from './advice.ts';
import {displayName} from './display.ts';
import type {CommandEvent, ErrorEvent, PartialEvent, PartialsEvent} from './events.ts';
import {formatAge, formatBytes, formatCount} from './format.ts';
import type {Voice} from './voice.ts';
import {percent} from './wording.ts';

/**
 * Tells a person what `partials` finds and removes. The list goes to standard output, all the rest to standard error.
 * Quiet leaves the list, what could not be removed, and errors.
 */
export class PartialsReporter {
  readonly #voice: Voice;

  constructor(voice: Voice) {
    this.#voice = voice;
  }

  report(event: CommandEvent): void {
    switch (event.event) {
      case 'partial':
        return this.#name(event);
      case 'partials':
        return this.#voice.say(event.clean ? removedText(event) : listedText(event));
      case 'error':
        return this.#explain(event);
      case 'listening':
      case 'code':
      case 'revoked':
      case 'turned-away':
      case 'peer':
      case 'progress':
      case 'entry':
      case 'finished':
      case 'reconnecting':
      case 'reconnected':
      case 'notice':
      case 'verifying':
      case 'difference':
      case 'verified':
      case 'identity':
      case 'known':
      case 'peers':
        // Of other commands.
        return;
    }
  }

  #name(file: PartialEvent): void {
    if (file.removed) return this.#voice.say(`removed: ${nameOf(file)}`);
    if (file.message === undefined) return void process.stdout.write(`${rowText(file)}\n`);
    if (file.inUse) return this.#voice.say(`in use: ${nameOf(file)}`);
    this.#voice.complain('failed:', `${nameOf(file)}: ${displayName(file.message)}`);
  }

  #explain({code, message}: ErrorEvent): void {
    this.#voice.complain('hawser:', displayName(message, 1000));
    for (const line of adviceFor(code)) this.#voice.screen.line(`  ${line}`);
  }
}

/**
 * ` 62%  23.7 MB/38.2 MB     3 hours ago  k3vq-hw2n-7xta-m4pe  photos/img.jpg`: what is escaped comes last, so that
 * no name can pass for a column.
 */
function rowText(file: PartialEvent): string {
  const when = file.inUse ? 'in use' : formatAge(Date.now() - file.lastWritten.getTime());
  const [share, bytes, from] =
    file.kind === 'part'
      ? [
          `${percent(file.bytesHeld, file.size)}%`,
          `${formatBytes(file.bytesHeld)}/${formatBytes(file.size)}`,
          file.fingerprint,
        ]
      : ['?', formatBytes(file.bytesOnDisk), 'unknown'];
  return [share.padStart(4), bytes.padStart(15), when.padStart(14), from.padEnd(19), nameOf(file)].join('  ');
}

function nameOf(file: PartialEvent): string {
  return displayName(file.kind === 'part' ? file.path : `.hawser/partials/${file.name}`);
}

/** `2 part files, 24 MB on disk, 1 in use` */
function listedText({files, bytesOnDisk, inUse}: PartialsEvent): string {
  if (files === 0) return 'No part files.';
  const used = inUse > 0 ? `, ${formatCount(inUse)} in use` : '';
  return `${formatPartFiles(files)}, ${formatBytes(bytesOnDisk)} on disk${used}`;
}

/** `Removed 2 part files, 24 MB; 1 in use stays; 1 failed` */
function removedText({files, removed, bytesFreed, inUse}: PartialsEvent): string {
  if (files === 0) return 'No part files to remove.';
  const failed = files - removed - inUse;
  return [
    `Removed ${formatPartFiles(removed)}, ${formatBytes(bytesFreed)}`,
    ...(inUse > 0 ? [`${formatCount(inUse)} in use ${inUse === 1 ? 'stays' : 'stay'}`] : []),
    ...(failed > 0 ? [`${formatCount(failed)} failed`] : []),
  ].join('; ');
}

function formatPartFiles(files: number): string {
  return `${formatCount(files)} part ${files === 1 ? 'file' : 'files'}`;
}
