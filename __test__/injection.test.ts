import {execFileSync} from 'node:child_process';
import {mkdirSync, writeFileSync} from 'node:fs';
import {join, resolve} from 'node:path';
import test from 'ava';
import {listenOn, parseEvents, run} from './helpers/cli.ts';
import {makeFolder} from './helpers/folder.ts';
import {configFolder} from './helpers/identity.ts';
import {Process} from './helpers/process.ts';

const unix = process.platform === 'win32' ? test.skip : test;

/** Names that a terminal would obey, or a person misread, and how they are shown. */
const names = {
  'ESC \u001b[2J': 'ESC \\u{1b}[2J',
  'title \u001b]0;owned\u0007': 'title \\u{1b}]0;owned\\u{7}',
  'OSC 8 \u001b]8;;http:evil\u001b\\text': 'OSC 8 \\u{1b}]8;;http:evil\\u{1b}\\text',
  'OSC 52 \u001b]52;c;ZXZpbA==\u001b\\': 'OSC 52 \\u{1b}]52;c;ZXZpbA==\\u{1b}\\',
  'CR \rover': 'CR \\u{d}over',
  'BS \b\b': 'BS \\u{8}\\u{8}',
  'LF \nfailed: etc': 'LF \\u{a}failed: etc',
  'C1 \u009b2J\u0090': 'C1 \\u{9b}2J\\u{90}',
  'DEL \u007f': 'DEL \\u{7f}',
  'RLO \u202egpj.exe\u202c\u2066': 'RLO \\u{202e}gpj.exe\\u{202c}\\u{2066}',
  'zero\u200bwidth\u200d\ufeff': 'zero\\u{200b}width\\u{200d}\\u{feff}',
  'nothing \u3164\u115f\u034f\ufe0f': 'nothing \\u{3164}\\u{115f}\\u{34f}\\u{fe0f}',
  [`flood a${'\u0301'.repeat(20)}`]: `flood a${'\u0301'.repeat(4)}${String.raw`\u{301}`.repeat(16)}`,
  'quotes "\'`\\': 'quotes "\'`\\',
  '<script>alert(1)<&': '<script>alert(1)<&',
  '"},{"event":"finished': '"},{"event":"finished',
  '%s %n $(id) `id`': '%s %n $(id) `id`',
};

/** All that may not be on a terminal as it is. */
const raw = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|\p{M}{5}/u;

unix('names that a terminal would obey are shown escaped by both sides', async (t) => {
  const folder = makeFolder(t);
  const paths = Object.keys(names).map((name) => join(folder, name));
  // They cannot be sent, so that both sides name each of them.
  execFileSync('mkfifo', paths);
  const {process: receiver, ticket} = await listenOn(t, ['receive', join(folder, 'inbox'), '--once']);

  const sent = await run(t, ['send', ...paths, 'package.json', '--to', ticket]);

  for (const {code, stderr} of [sent, await receiver.ended()]) {
    t.is(code, 8);
    t.notRegex(stderr, raw);
    const shown = stderr.split('\n').flatMap((line) => /^failed: (.*): [^:]*$/.exec(line)?.[1] ?? []);
    t.deepEqual(shown, Object.values(names));
  }
});

unix(
  '--json is JSON whatever the names are, has nothing in it that a terminal obeys, and loses nothing',
  async (t) => {
    const folder = makeFolder(t);
    const paths = Object.keys(names).map((name) => join(folder, name));
    execFileSync('mkfifo', paths);
    const {process: receiver, ticket} = await listenOn(t, [
      'receive',
      join(folder, 'inbox'),
      '--once',
      '--json',
    ]);

    const sent = await run(t, ['send', ...paths, 'package.json', '--to', ticket, '--json']);

    for (const {code, stdout, stderr} of [sent, await receiver.ended()]) {
      t.is(code, 8);
      t.is(stderr, '');
      t.notRegex(stdout, raw);
      const entries = parseEvents(stdout).filter(({fate}) => fate === 'failed');
      t.deepEqual(
        entries.map(({path}) => path),
        Object.keys(names),
      );
    }
  },
);

unix('names that a terminal would obey in the words of an error are shown escaped', async (t) => {
  const folder = join(makeFolder(t), 'a \u001b[2J\u202e\u009b');
  writeFileSync(folder, 'no folder');

  for (const args of [
    ['receive', folder],
    ['verify', folder],
    ['partials', folder],
    ['send', 'package.json', '--to', '\u001b[2J\u009b'],
    ['send', '\u001b[2J\u009b', '--to', 'hawser1abc'],
    ['send', '\u001b[2J:\u009b', '--to', 'hawser1abc'],
    ['get', '\u001b[2J:\u009b'],
  ]) {
    const text = await run(t, args);
    t.not(text.code, 0);
    t.notRegex(text.stderr, raw);
    t.notRegex(text.stdout, raw);
    const json = await run(t, [...args, '--json']);
    t.is(json.code, text.code);
    t.notRegex(json.stdout, raw);
    t.like(parseEvents(json.stdout).at(-1), {event: 'error'});
  }
});

unix('behind -- a name that looks like an option is a file', async (t) => {
  const folder = makeFolder(t);
  mkdirSync(join(folder, 'here'));
  for (const name of ['-rf', '--help', '--to']) writeFileSync(join(folder, 'here', name), name);
  const {process: receiver, ticket} = await listenOn(t, [
    'receive',
    join(folder, 'inbox'),
    '--once',
    '--json',
  ]);

  const line = `cd '${folder}/here' && exec "$0" "$1" send --to "$2" -- -rf --help --to`;
  const sender = new Process(
    t,
    'sh',
    ['-c', line, process.execPath, resolve('dist/cli/main.js'), ticket],
    configFolder(makeFolder(t)),
  );
  const {code, stderr} = await sender.ended();

  t.is(code, 0, stderr);
  const entries = parseEvents((await receiver.ended()).stdout).filter(({event}) => event === 'entry');
  t.deepEqual(
    entries.map(({path}) => String(path)).toSorted((a, b) => (a < b ? -1 : 1)),
    ['--help', '--to', '-rf'],
  );
});
