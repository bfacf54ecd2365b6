import test from 'ava';
import {parseDuration} from '../src/cli/duration.ts';

test('a duration is days, hours, minutes and seconds, or a number of seconds', (t) => {
  const durations = {
    '0': 0,
    '0s': 0,
    '90': 90_000,
    '90s': 90_000,
    '0.5': 500,
    '10m': 600_000,
    '1h30m': 5_400_000,
    '1h5s': 3_605_000,
    '1.5h': 5_400_000,
    '7d': 604_800_000,
    '1d2h3m4s': 93_784_000,
    '0.0004s': 0,
    '2H': 7_200_000,
    ' 10m ': 600_000,
    forever: Infinity,
  };
  for (const [text, expected] of Object.entries(durations)) t.is(parseDuration(text), expected, text);
});

test('what is no duration is none', (t) => {
  for (const text of [
    '',
    ' ',
    '10x',
    'm',
    '5m1h',
    '1h1d',
    '1w',
    '1.h',
    '.5h',
    '1h30',
    '-5',
    '10 m',
    '1,5s',
    'ever',
    'NaN',
    '9999999999999d',
    '9'.repeat(400),
  ])
    t.is(parseDuration(text), undefined, text);
});
