import {adviceForTransfer} from './advice.ts';
import {displayName} from './display.ts';
import type {
  CodeEvent,
  CommandEvent,
  EntryEvent,
  ErrorEvent,
  FinishedEvent,
  PeerEvent,
  ReconnectingEvent,
} from './events.ts';
import {formatCount} from './format.ts';
import type {ReporterFlags, TransferCommand} from './reporter.ts';
import type {Voice} from './voice.ts';
import * as wording from './wording.ts';

/**
 * Tells a person what happens. Standard output gets nothing but the ticket of a listener, or its address and
 * code, so that a script can take it from there; all the rest goes to standard error. Quiet leaves that, the entries that
 * failed, and errors.
 */
export class TextReporter {
  readonly #command: TransferCommand;
  readonly #voice: Voice;
  readonly #byCode: boolean;
  readonly #asks: boolean;
  readonly #peers = new Map<number, PeerEvent>();
  readonly #failures = new Map<number, number>();
  readonly #lost = new Set<number>();

  constructor(command: TransferCommand, voice: Voice, {code, ask}: ReporterFlags) {
    this.#command = command;
    this.#voice = voice;
    this.#byCode = code ?? false;
    this.#asks = ask ?? false;
  }

  report(event: CommandEvent): void {
    switch (event.event) {
      case 'listening':
        if (event.ticket !== null) this.#voice.screen.output(event.ticket);
        return this.#voice.say(wording.listeningText(this.#command, event));
      case 'code':
        return this.#showCode(event);
      case 'revoked':
        this.#voice.say('The ticket is revoked: it lets nobody in any more. The one in its place:');
        this.#voice.screen.output(event.ticket);
        return this.#voice.say(wording.ticketText(this.#command, event.ticket));
      case 'turned-away':
        return this.#voice.say(wording.turnedAwayText(event));
      case 'peer':
        return this.#introduce(event);
      case 'progress':
        // A log has one line about an outage, and one when it is over.
        if (event.outage && !this.#voice.screen.isLive) return;
        return this.#voice.progress(
          event.transfer,
          this.#from(event.transfer) + wording.progressText(this.#command, event),
        );
      case 'entry':
        return this.#countFailure(event);
      case 'finished':
        return this.#summarize(event);
      case 'error':
        return this.#explain(event);
      case 'reconnecting':
        return this.#tellOfLoss(event);
      case 'reconnected':
        this.#lost.delete(event.transfer);
        return this.#voice.say('Connected again.');
      case 'notice':
        return this.#voice.say(`hawser: ${displayName(event.message, 1000)}`);
      case 'verifying':
      case 'difference':
      case 'verified':
      case 'partial':
      case 'partials':
      case 'identity':
      case 'known':
      case 'peers':
        // Of other commands.
        return;
    }
  }

  #showCode(event: CodeEvent): void {
    const {reason, code, addresses} = event;
    const {screen} = this.#voice;
    if (reason === 'guessed') this.#voice.complain('Security notice:', wording.codeChangeText(reason));
    else if (reason !== 'first') this.#voice.say(wording.codeChangeText(reason));
    screen.output(`${addresses[0]} ${code}`);
    if (reason === 'first') this.#voice.say(wording.codeText(this.#command, event));
  }

  /** Once a loss, unless each attempt shows anyway. */
  #tellOfLoss(event: ReconnectingEvent): void {
    if (this.#lost.has(event.transfer) || this.#voice.screen.isLive) return;
    this.#lost.add(event.transfer);
    this.#voice.say(wording.lostText(event));
  }

  #introduce(peer: PeerEvent): void {
    this.#peers.set(peer.transfer, peer);
    this.#voice.say(wording.peerText(this.#command, peer, this.#asks));
  }

  #countFailure(entry: EntryEvent): void {
    if (entry.fate !== 'failed') return;
    const failures = (this.#failures.get(entry.transfer) ?? 0) + 1;
    this.#failures.set(entry.transfer, failures);
    if (failures <= maxFailuresShown) this.#voice.complain('failed:', wording.failureText(entry));
  }

  #summarize(totals: FinishedEvent): void {
    const more = totals.failed - maxFailuresShown;
    if (more > 0) this.#voice.complain('failed:', `and ${formatCount(more)} more`);
    const peer = this.#peers.get(totals.transfer);
    this.#forget(totals.transfer);
    this.#voice.say(wording.summaryText(this.#command, peer, totals));
  }

  #explain(event: ErrorEvent): void {
    const {transfer, message} = event;
    const connected = transfer !== undefined && this.#peers.has(transfer);
    const from = transfer === undefined ? '' : this.#from(transfer);
    if (transfer !== undefined) this.#forget(transfer);
    if (event.interrupted && connected) {
      const [first, ...more] = wording.interruptedLines(this.#command, event);
      this.#voice.screen.line(`${from}${first}`);
      for (const line of more) this.#voice.screen.line(line);
      return;
    }
    this.#voice.complain('hawser:', from + displayName(message, 1000));
    const situation = {listens: this.#listens, connected, byCode: this.#byCode};
    for (const line of adviceForTransfer(event, situation)) this.#voice.screen.line(`  ${line}`);
  }

  /** A listener serves many: its lines begin with whom they are about. */
  #from(transfer: number): string {
    const peer = this.#peers.get(transfer);
    return peer && this.#listens ? `${wording.peerName(peer)}: ` : '';
  }

  #forget(transfer: number): void {
    this.#voice.screen.end(transfer);
    this.#peers.delete(transfer);
    this.#failures.delete(transfer);
    this.#lost.delete(transfer);
  }

  get #listens(): boolean {
    return this.#command === 'receive' || this.#command === 'share';
  }
}

/** A screenful: who needs all of a long list asks for --json. */
const maxFailuresShown = 20;
