import test from 'ava';
import {displayName} from '../src/cli/display.ts';

test('an ordinary name is shown as it is', (t) => {
  t.is(displayName('photos/naïve 日本語 🪢.jpg'), 'photos/naïve 日本語 🪢.jpg');
});

test('what moves the cursor, hides, reorders or is no character is escaped', (t) => {
  const cases = {
    'red \u001b[31m': 'red \\u{1b}[31m',
    'line\nbreak\r': 'line\\u{a}break\\u{d}',
    'C1 \u009b, DEL \u007f': 'C1 \\u{9b}, DEL \\u{7f}',
    'gpj.\u202eexe': 'gpj.\\u{202e}exe',
    'zero\u200bwidth\ufeff': 'zero\\u{200b}width\\u{feff}',
    'tag \u{e0041}': 'tag \\u{e0041}',
    'lone \ud800 surrogate': 'lone \\u{d800} surrogate',
    'separators \u2028\u2029': 'separators \\u{2028}\\u{2029}',
  };
  for (const [name, shown] of Object.entries(cases)) t.is(displayName(name), shown);
});

test('a name beyond the limit is cut in its middle, between characters', (t) => {
  t.is(displayName('abcdefghij', 5), 'ab…ij');
  t.is(displayName('🪢'.repeat(10), 3), '🪢…🪢');
  t.is(displayName('abcde', 5), 'abcde');
});
