import test from 'ava';
import {
  formatAge,
  formatBytes,
  formatClock,
  formatCount,
  formatDuration,
  formatFiles,
  formatRate,
} from '../src/cli/format.ts';

test('counts, bytes and rates read well', (t) => {
  t.is(formatCount(999), '999');
  t.is(formatCount(1204), '1,204');
  t.is(formatCount(1_234_567), '1,234,567');
  t.is(formatFiles(1), '1 file');
  t.is(formatFiles(0), '0 files');
  t.is(formatBytes(0), '0 B');
  t.is(formatBytes(999), '999 B');
  t.is(formatBytes(1000), '1 kB');
  t.is(formatBytes(999_999), '1 MB');
  t.is(formatBytes(1_200_000_000), '1.2 GB');
  t.is(formatBytes(2 ** 53), '9.01 PB');
  t.is(formatRate(353_123_456.7), '353 MB/s');
});

test('a duration is seconds below a minute and a clock from there', (t) => {
  t.is(formatDuration(0), '0.0 s');
  t.is(formatDuration(3449), '3.4 s');
  t.is(formatDuration(125_000), '2:05');
  t.is(formatDuration(3_725_000), '1:02:05');
});

test('a clock is rounded up to the second', (t) => {
  t.is(formatClock(13_001), '0:14');
  t.is(formatClock(0), '0:00');
});

test('an age is in one unit, rounded down', (t) => {
  t.is(formatAge(-1), 'just now');
  t.is(formatAge(999), 'just now');
  t.is(formatAge(1000), '1 second ago');
  t.is(formatAge(119_999), '1 minute ago');
  t.is(formatAge(3 * 3_600_000), '3 hours ago');
  t.is(formatAge(1204 * 86_400_000), '1,204 days ago');
});
