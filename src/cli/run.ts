import {protectMemory} from '../index.ts';
import {errorEvent} from './events.ts';
import {exit, exitCodeOf, type ExitCode} from './exit.ts';
import {listenForInterrupts, type Interrupts} from './interrupt.ts';
import {createReporter, type CommandName, type Reporter, type ReporterFlags} from './reporter.ts';
import {openScreen, type Screen} from './screen.ts';

/** What every command works with. */
export interface CommandContext extends Interrupts {
  readonly report: Reporter;
  /** Where a person reads; undefined with `--json`. */
  readonly screen: Screen | undefined;
  /** How often to look how far a transfer is. Where nobody sees that, only who it is with is waited for. */
  readonly intervalMs: number;
}

/** Runs the body of a command: its result, or its error, becomes the exit code of the process. */
export async function run(
  command: CommandName,
  flags: ReporterFlags,
  body: (context: CommandContext) => Promise<ExitCode>,
): Promise<void> {
  survivePipes();
  const screen = flags.json ? undefined : await openScreen();
  const report = createReporter(command, flags, screen);
  try {
    // Before there is a key or a ticket to keep.
    protectMemory();
    const intervalMs = flags.json || process.stderr.isTTY ? 100 : 1000;
    const interrupts = listenForInterrupts(command === 'receive' || command === 'share');
    process.exitCode = await body({report, screen, intervalMs, ...interrupts});
  } catch (error) {
    report(errorEvent(error));
    process.exitCode = exitCodeOf(error);
  }
}

/** Ends the process when its user says so: for what has nothing that could be left half done. */
export function endAtOnce({signal, report}: CommandContext): void {
  signal.addEventListener('abort', () => {
    report(errorEvent(signal.reason));
    process.exit(exit.interrupted);
  });
}

/** A reader that has seen enough, such as `head -1`, must not end the transfer. */
function survivePipes(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
}
