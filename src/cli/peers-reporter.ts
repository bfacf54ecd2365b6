import {adviceFor} from './advice.ts';
import {displayName} from './display.ts';
import type {CommandEvent, ErrorEvent, IdentityEvent, KnownEvent} from './events.ts';
import {formatCount} from './format.ts';
import type {Voice} from './voice.ts';

/**
 * Tells a person who they are, and whom they know: `id` and `peers`. What was asked for goes to standard output, all
 * the rest to standard error. Quiet leaves the list and errors.
 */
export class PeersReporter {
  readonly #voice: Voice;

  constructor(voice: Voice) {
    this.#voice = voice;
  }

  report(event: CommandEvent): void {
    switch (event.event) {
      case 'identity':
        return void process.stdout.write(identityText(event));
      case 'known':
        return this.#tell(event);
      case 'peers':
        return this.#voice.say(peersText(event.peers));
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
      case 'partial':
      case 'partials':
        // Of other commands.
        return;
    }
  }

  #tell(peer: KnownEvent): void {
    switch (peer.action) {
      case 'listed':
        return void process.stdout.write(`${rowText(peer)}\n`);
      case 'named':
        return this.#voice.say(`${peer.fingerprint} is ${peer.name} now.`);
      case 'forgotten':
        return this.#voice.say(`Forgot ${peer.name}, ${peer.fingerprint}.`);
    }
  }

  #explain({code, message}: ErrorEvent): void {
    this.#voice.complain('hawser:', displayName(message, 1000));
    const advice = code === 'INVALID_OPTION' ? ['"hawser peers" lists whom you know.'] : adviceFor(code);
    for (const line of advice) this.#voice.screen.line(`  ${line}`);
  }
}

function identityText({fingerprint, words, publicKey, path}: IdentityEvent): string {
  const rows = [
    ['fingerprint', fingerprint],
    ['in words', words],
    ['public key', publicKey],
    ['key file', displayName(path, 1000)],
  ] as const;
  return rows.map(([label, value]) => `${label.padEnd(13)}${value}\n`).join('');
}

/** `k3vq-hw2n-7xta-m4pe  2026-11-22  named  alice             192.0.2.7:7707` */
function rowText({fingerprint, lastSeen, named, name, address}: KnownEvent): string {
  return [fingerprint, lastSeen, named ? 'named' : 'label', name.padEnd(16), address ?? '-'].join('  ');
}

function peersText(peers: number): string {
  return peers === 0 ? 'No known peers.' : `${formatCount(peers)} known ${peers === 1 ? 'peer' : 'peers'}`;
}
