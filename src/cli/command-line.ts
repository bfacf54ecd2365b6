/** The command that runs, for a shell to run again. */
export function commandLine(args: readonly string[] = process.argv.slice(2)): string {
  return ['hawser', ...args.map(quote)].join(' ');
}

/** A word as a POSIX shell takes it, whatever is in it. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
