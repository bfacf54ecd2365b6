import test from 'ava';
import type {ErrorEvent, FinishedEvent} from '../src/cli/events.ts';
import {interruptedLines, summaryText} from '../src/cli/wording.ts';

const nothing: FinishedEvent = {
  event: 'finished',
  transfer: 1,
  files: 0,
  bytes: 0,
  renamed: 0,
  filesPresent: 0,
  bytesPresent: 0,
  bytesMoved: 0,
  bytesResumed: 0,
  restarted: 0,
  durationMs: 1000,
  failed: 0,
};

test('the rate is of what crossed the line', (t) => {
  t.is(
    summaryText('send', undefined, {...nothing, files: 1, bytes: 100, bytesMoved: 40, bytesResumed: 60}),
    'Sent 1 file, 100 B in 1.0 s (40 B/s); 60 B of them were there from before',
  );
});

test('a rate is never negative, and what a failed file had is not of files that were sent', (t) => {
  t.is(
    summaryText('send', undefined, {...nothing, bytesMoved: 40, bytesResumed: 60, failed: 1}),
    'Sent 0 files, 0 B in 1.0 s (40 B/s); 1 failed',
  );
});

test('a file that started over need not have changed', (t) => {
  t.is(
    summaryText('get', undefined, {...nothing, files: 1, bytes: 100, bytesMoved: 100, restarted: 1}),
    'Received 1 file, 100 B in 1.0 s (100 B/s); 1 begun before had to start over',
  );
});

test('what was interrupted before anything was accepted has nothing to go on with', (t) => {
  const interrupted: ErrorEvent = {
    event: 'error',
    code: 'CANCELLED',
    message: 'interrupted',
    retryable: true,
  };
  for (const command of ['send', 'get', 'receive', 'share'] as const) {
    t.deepEqual(interruptedLines(command, interrupted), ['Interrupted before anything was transferred.']);
    t.true(
      interruptedLines(command, {...interrupted, accepted: true})[0]?.includes('0 files (0 B) are delivered'),
    );
  }
});
