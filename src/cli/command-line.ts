import {unsafe} from './display.ts';
import {looksLikeTicket} from './ticket.ts';

/** The command that runs, for a shell to run again. */
export function commandLine(args: readonly string[] = process.argv.slice(2)): string {
  const command = process.env['npm_command'] === 'exec' ? 'npx hawser' : 'hawser';
  return [command, ...args.map(quote)].join(' ');
}

/** The arguments without the ticket, which is a secret: `HAWSER_TICKET` has it then. */
export function withoutTicket([command, ...args]: readonly string[]): readonly string[] {
  const first = args.findIndex(looksLikeTicket);
  const isTicket = (word: string, index: number): boolean =>
    command === 'get'
      ? index === first
      : (word.startsWith('--to=') && looksLikeTicket(word.slice('--to='.length))) ||
        (args[index - 1] === '--to' && looksLikeTicket(word)) ||
        (word === '--to' && looksLikeTicket(args[index + 1] ?? ''));
  return [
    ...(command === undefined ? [] : [command]),
    ...args.filter((word, index) => !isTicket(word, index)),
  ];
}

/** A word as a POSIX shell takes it, whatever is in it. */
function quote(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  if (word.search(unsafe) < 0) return `'${word.replaceAll("'", String.raw`'\''`)}'`;
  // As bytes, which more shells know than code points. A digit that follows would count as one of theirs.
  const escaped = word.replaceAll(/['\\]/g, String.raw`\$&`).replaceAll(unsafeRun, hexBytes);
  return `$'${escaped}'`;
}

const unsafeRun = new RegExp(`(?:${unsafe.source})+[\\da-f]?`, 'giu');

function hexBytes(text: string): string {
  return Array.from(Buffer.from(text), (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
}
