import test from 'ava';
import {adviceForTransfer} from '../src/cli/advice.ts';
import type {ErrorCode} from '../src/index.ts';

/** Said of a dialler's transfer that has failed after it had connected. */
function said(
  code: ErrorCode,
  failure: {retryable?: boolean; filesDelivered?: number; byCode?: boolean},
): string {
  const {retryable = false, filesDelivered = 0, byCode = false} = failure;
  const event = {event: 'error', code, message: '', retryable, filesDelivered} as const;
  return adviceForTransfer(event, {listens: false, connected: true, byCode}).join('\n');
}

test('who was refused is not told to run the same command again, but what stays', (t) => {
  t.is(said('REFUSED', {}), '');
  t.is(said('REFUSED', {filesDelivered: 2}), 'Files already delivered stay.');
  t.regex(said('REFUSED', {retryable: true}), /^Run the same command again/);
  t.notRegex(said('KEY_CHANGED', {}), /same command/);
  t.notRegex(said('CODE_REJECTED', {byCode: true}), /same command/);
  t.regex(said('CODE_REJECTED', {byCode: true, filesDelivered: 1}), /Files already delivered stay\.$/);
});

test('what goes on where it was says so, and of files only where there are some', (t) => {
  t.notRegex(said('CONNECTION_LOST', {retryable: true}), /already delivered/);
  t.regex(
    said('CONNECTION_LOST', {filesDelivered: 1}),
    /Files already delivered stay\.\nRun the same command again/,
  );
});

test('no word is said of tickets where a code lets in', (t) => {
  for (const code of [
    'NAME_NOT_FOUND',
    'CONNECTION_REFUSED',
    'UNREACHABLE',
    'CONNECTION_TIMEOUT',
    'CONNECTION_LOST',
    'CODE_REJECTED',
    'KEY_CHANGED',
    'REFUSED',
    'PROTOCOL',
    'VERSION_MISMATCH',
    'CANCELLED',
  ] as const) {
    t.notRegex(said(code, {byCode: true, retryable: true, filesDelivered: 1}), /ticket|--advertise/, code);
  }
});
