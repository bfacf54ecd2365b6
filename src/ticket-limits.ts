import type {NativeTicketLimits} from './native.ts';
import {integer, milliseconds} from './session.ts';

/** Up to where a ticket goes. What is left out has no limit. */
export interface TicketLimits {
  /**
   * Milliseconds from when the ticket is made, 1,000 or more, or Infinity. Then nobody new is let in; who has come with it
   * before may come again. A ticket that is kept says itself when it expires.
   */
  readonly lifetimeMs?: number | undefined;
  /**
   * How many peers may come with it, 1 or more, told apart by their keys; with 1 it belongs to the first. Whoever has come
   * may come again, as long as it has the same `identity`.
   */
  readonly uses?: number | undefined;
  /**
   * Bytes of files that all of them together may bring to a receiver, 1 or more, those included that came in vain. A file
   * for which not enough are left fails with `QUOTA`.
   */
  readonly bytes?: number | undefined;
  /**
   * Files, folders and links that all of them together may bring to a receiver, 1 or more. A file that is begun and not
   * finished counts, too, and does not count again when it goes on. Further ones fail with `QUOTA`.
   */
  readonly entries?: number | undefined;
}

/** How much of its limits a ticket has come to. */
export interface TicketUse {
  /**
   * How many peers have come with it, told apart by their keys, 100,000 at most; counted where its uses or its lifetime
   * are limited, or where there is a `ledger`.
   */
  readonly peers: number;
  /** Bytes of files that they have brought to a receiver, those included that came in vain. */
  readonly bytes: number;
  /** Files, folders and links that they have brought to a receiver, and that were new there, or begun and kept. */
  readonly entries: number;
}

/**
 * Limits as the binding takes them, or an INVALID_OPTION.
 * @internal
 */
export function toNativeTicketLimits({lifetimeMs, uses, bytes, entries}: TicketLimits): NativeTicketLimits {
  return {
    ...(lifetimeMs === undefined ? {} : {lifetimeMs: checkLifetime(lifetimeMs)}),
    ...(uses === undefined ? {} : {uses: integer('uses of the ticket', uses, 1, 2 ** 32 - 1)}),
    ...(bytes === undefined ? {} : {bytes: count('bytes of the ticket', bytes)}),
    ...(entries === undefined ? {} : {entries: count('entries of the ticket', entries)}),
  };
}

/** A ticket says in whole seconds when it expires. */
function checkLifetime(lifetimeMs: number): number {
  return milliseconds('lifetime of the ticket', lifetimeMs, 1000);
}

function count(option: string, value: number): number {
  return integer(option, value, 1, Number.MAX_SAFE_INTEGER);
}
