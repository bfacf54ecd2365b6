import test from 'ava';
import {RateMeter} from '../src/rate.ts';

/** The rate after each tenth of a second at these bytes a second. */
function measure(rates: readonly number[]): number[] {
  const meter = new RateMeter();
  let bytes = 0;
  return rates.map((rate, index) => meter.measure((bytes += rate / 10), (index + 1) * 100));
}

test('an even rate is right from the first measurement on', (t) => {
  for (const rate of measure(Array.from({length: 100}, () => 5000))) t.true(Math.abs(rate - 5000) < 1e-6);
});

test('a line that stops shows within seconds', (t) => {
  const rates = measure([...Array.from({length: 100}, () => 5000), ...Array.from({length: 100}, () => 0)]);

  t.true((rates[110] ?? 0) > 3000);
  t.true((rates[199] ?? 0) < 250);
});

test('before any time has passed the rate is 0', (t) => {
  t.is(new RateMeter().measure(1000, 0), 0);
});
