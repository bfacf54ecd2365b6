import {HawserError} from '../index.ts';
import {exit} from './exit.ts';

/** Aborts on the first Ctrl-C or SIGTERM, so that the command can end cleanly; the second one ends it at once. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  let interruptedAt = 0;
  const interrupt = (): void => {
    if (!controller.signal.aborted) {
      interruptedAt = performance.now();
      controller.abort(new HawserError('CANCELLED', 'interrupted', {retryable: true}));
    } else if (performance.now() - interruptedAt > echoMs) {
      process.exit(exit.interrupted);
    }
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  return controller.signal;
}

/** npx and npm forward the signal that the terminal has already sent: within this time it is the same key press. */
const echoMs = 300;
