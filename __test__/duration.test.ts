import test from 'ava';
import {parseDuration} from '../src/cli/duration.ts';

test('a duration is a number of seconds, or days, hours, minutes and seconds', (t) => {
  t.is(parseDuration('0'), 0);
  t.is(parseDuration('45'), 45_000);
  t.is(parseDuration('45s'), 45_000);
  t.is(parseDuration('90m'), 5_400_000);
  t.is(parseDuration('12h'), 43_200_000);
  t.is(parseDuration('7d'), 604_800_000);
  t.is(parseDuration('1h30m'), 5_400_000);
  t.is(parseDuration('1d2h3m4s'), 93_784_000);
  t.is(parseDuration(' 1H30M '), 5_400_000);
});

test('a duration may have fractions, which end at whole milliseconds', (t) => {
  t.is(parseDuration('1.5h'), 5_400_000);
  t.is(parseDuration('0.5'), 500);
  t.is(parseDuration('0.0004s'), 0);
});

test('forever has no end', (t) => {
  t.is(parseDuration('forever'), Infinity);
});

test('anything else is no duration', (t) => {
  for (const text of [
    '',
    ' ',
    's',
    'soon',
    '-1',
    '+1s',
    '1w',
    '1e3',
    '1,5h',
    '1.h',
    '.5h',
    '30m1h',
    '1h 30m',
    '1hh',
  ])
    t.is(parseDuration(text), undefined, text);
});
