import {setTimeout} from 'node:timers/promises';

/**
 * What `read` gives, once every `intervalMs` milliseconds until `ended` is aborted, and once more after that.
 * @internal
 */
export async function* snapshots<T>(
  read: () => T,
  intervalMs: number,
  ended: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  while (!ended.aborted) {
    yield read();
    // The timer holds no process: what runs does.
    await setTimeout(intervalMs, undefined, {signal: ended, ref: false}).catch(() => {});
  }
  yield read();
}
