import {setImmediate} from 'node:timers/promises';
import {toEntry, type Entry, type FailedEntry} from './entry.ts';
import type {NativeTransfer} from './native.ts';
import type {Peer} from './peer.ts';

/** What a completed transfer did. Entries that failed do not fail the transfer: look at `failed`. */
export interface Report {
  readonly peer: Peer;
  /** Files that this transfer delivered. */
  readonly files: number;
  /** Bytes of those files. */
  readonly bytes: number;
  /** Entries that got another name, because something different had theirs. */
  readonly renamed: number;
  /** Files that were already there: with the same size and time of modification, or the same content. */
  readonly filesPresent: number;
  /** Bytes of those files. */
  readonly bytesPresent: number;
  /** Bytes of files that crossed the line, in all connections. */
  readonly bytesMoved: number;
  /** Bytes of the delivered files that did not cross the line: they were there, from an earlier transfer that was cut off. */
  readonly bytesResumed: number;
  /** Files begun by an earlier transfer that had to start over. */
  readonly restarted: number;
  /** Milliseconds from the first connection to the end. */
  readonly durationMs: number;
  /** What became of each entry; with `entries: 'failed'`, of those that failed. */
  readonly entries: readonly Entry[];
  /** The entries that failed; with `entries: 'failed'` at most 10,000 of them. */
  readonly failed: readonly FailedEntry[];
}

/**
 * The report of a transfer that has ended and did not fail.
 * @internal
 */
export async function makeReport(transfer: NativeTransfer, peer: Peer): Promise<Report> {
  const entries = await takeEntries(transfer);
  const failed = entries.filter((entry) => entry.fate === 'failed');
  const progress = transfer.progress();
  return {
    peer,
    files: progress.filesDelivered,
    bytes: progress.bytesDelivered,
    renamed: progress.renamed,
    filesPresent: progress.filesPresent,
    bytesPresent: progress.bytesPresent,
    bytesMoved: progress.bytesMoved,
    bytesResumed: Math.max(0, progress.bytesDelivered - progress.bytesMoved),
    restarted: progress.restarted,
    durationMs: progress.elapsedMs,
    entries,
    failed,
  };
}

async function takeEntries(transfer: NativeTransfer): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (;;) {
    const page = transfer.takeEntries(pageEntries);
    if (page.length === 0) return entries;
    for (const native of page) entries.push(toEntry(native));
    await setImmediate();
  }
}

/** A million entries take seconds to cross: page by page, so that the event loop turns meanwhile. */
const pageEntries = 1000;
