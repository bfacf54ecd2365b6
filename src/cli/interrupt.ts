import {HawserError} from '../index.ts';
import {exit} from './exit.ts';

/** How the user, or the system, ends a command. */
export interface Interrupts {
  /** Aborted when it is to end now, cleanly. */
  readonly signal: AbortSignal;
  /** Aborted when it is to end soon: on SIGTERM, where the command knows the difference. */
  readonly terminated: AbortSignal;
}

/**
 * Ctrl-C is to end the command now, and so is SIGTERM unless the command is `patient`: it then finishes what it does.
 * The second signal ends it at once.
 */
export function listenForInterrupts(patient: boolean): Interrupts {
  const interrupted = new AbortController();
  const terminated = new AbortController();
  let interruptedAt: number | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (interruptedAt === undefined) {
      interruptedAt = performance.now();
      if (patient && signal === 'SIGTERM') terminated.abort();
      else interrupted.abort(new HawserError('CANCELLED', 'interrupted', {retryable: true}));
    } else if (performance.now() - interruptedAt > echoMs) {
      process.exit(exit.interrupted);
    }
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {signal: interrupted.signal, terminated: terminated.signal};
}

/** npx and npm forward the signal that the terminal has already sent: within this time it is the same key press. */
const echoMs = 300;
