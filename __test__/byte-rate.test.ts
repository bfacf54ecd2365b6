import test from 'ava';
import {parseByteCount, parseByteRate} from '../src/cli/byte-rate.ts';
import {formatRate} from '../src/cli/format.ts';

test('a rate is a number of bytes with a decimal or binary prefix', (t) => {
  t.is(parseByteRate('1000000'), 1_000_000);
  t.is(parseByteRate('500k'), 500_000);
  t.is(parseByteRate('200M'), 200_000_000);
  t.is(parseByteRate('1G'), 1_000_000_000);
  t.is(parseByteRate('64Ki'), 65_536);
  t.is(parseByteRate('64KiB'), 65_536);
  t.is(parseByteRate('2MiB'), 2_097_152);
  t.is(parseByteRate('1Gi'), 1_073_741_824);
});

test('a rate may have a fraction, which ends at whole bytes', (t) => {
  t.is(parseByteRate('1.5M'), 1_500_000);
  t.is(parseByteRate('0.5Ki'), 512);
  t.is(parseByteRate('1.0005k'), 1001);
  t.is(parseByteRate('12.5'), 13);
});

test('the unit of a rate may be written out, in any case', (t) => {
  for (const text of [
    '2000000',
    '2M',
    '2m',
    '2MB',
    '2mb',
    '2M/s',
    '2MB/s',
    '2Mb/S',
    ' 2 MB/s ',
    '2000000B/s',
  ])
    t.is(parseByteRate(text), 2_000_000, text);
});

test('what is printed as a rate can be read as one', (t) => {
  for (const rate of [0, 999, 1500, 353_000_000, 1_080_000_000]) t.is(parseByteRate(formatRate(rate)), rate);
});

test('anything else is no rate', (t) => {
  const others = ['', 'fast', 'M', '-1M', '+1M', '1e6', '1,5M', '1.M', '.5M', '0x10', '1T', '1Kb i', '5 M M'];
  for (const text of [...others, '2Mbit/s', '2M/h', '2i', '1 000', 'Infinity', 'NaN', '2M\n3'])
    t.is(parseByteRate(text), undefined, text);
});

test('a number of bytes is the same without a second', (t) => {
  t.is(parseByteCount('500M'), 500_000_000);
  t.is(parseByteCount('1.5 GB'), 1_500_000_000);
  t.is(parseByteCount('2GiB'), 2 ** 31);
  t.is(parseByteCount('10M/s'), undefined);
  t.is(parseByteCount('-1'), undefined);
});
