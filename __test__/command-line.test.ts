import {execFileSync} from 'node:child_process';
import test from 'ava';
import {commandLine, withoutTicket} from '../src/cli/command-line.ts';
import {displayName} from '../src/cli/display.ts';

// Where it is run by npx or not is part of what comes back.
delete process.env['npm_command'];

test('a command line comes back as a shell takes it', (t) => {
  t.is(
    commandLine(['send', 'a b', "it's", '$HOME', 'plain-1.txt', '--to', 'hawser1abc']),
    String.raw`hawser send 'a b' 'it'\''s' '$HOME' plain-1.txt --to hawser1abc`,
  );
});

/** Names that would do something to a terminal, or pass for others on it. */
const hostile = [
  'red \u001b[31m',
  'line\nbreak\r',
  "\u001b]0;it's a\\title\u0007b",
  'C1 \u009b0, DEL \u007fe',
  'gpj.\u202eexe',
  'tag \u{e0041}',
  'hex \u0001face',
];

test('a command line shows nothing that a terminal obeys', (t) => {
  const line = commandLine(['send', ...hostile]);

  t.is(displayName(line, 1000), line);
  t.true(line.startsWith(String.raw`hawser send $'red \x1b[31m' $'line\x0a\x62reak\x0d' `), line);
});

const posix = process.platform === 'win32' ? test.skip : test;

posix('a shell makes the same words of it again', (t) => {
  const words = commandLine(hostile).slice('hawser '.length);

  t.deepEqual(
    execFileSync('bash', ['-c', `printf '%s\\0' ${words}`], {encoding: 'utf8'})
      .split('\0')
      .slice(0, -1),
    hostile,
  );
});

function without(line: string): string {
  return withoutTicket(line.split(' ')).join(' ');
}

test('a command line has no ticket when it is not to show', (t) => {
  t.is(without('send hawser1folder --to hawser1abc --limit 5M'), 'send hawser1folder --limit 5M');
  t.is(without('send file --to=hawser1abc'), 'send file');
  t.is(without('get --lanes 2 HAWSER1ABC hawser1folder'), 'get --lanes 2 hawser1folder');
  t.is(without('get folder'), 'get folder');
});
