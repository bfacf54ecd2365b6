import type {Transfer} from '../index.ts';
import {errorEvent} from './events.ts';
import {exit, exitCodeOf, type ExitCode} from './exit.ts';
import type {CommandContext} from './run.ts';

/** Reports a transfer from now to its end; gives the exit code that it stands for. Never rejects. */
export async function follow(
  transfer: Transfer,
  id: number,
  {report, intervalMs}: CommandContext,
): Promise<ExitCode> {
  let introduced = false;
  for await (const progress of transfer.progress(intervalMs)) {
    const {peer} = transfer;
    if (peer && !introduced) {
      report({event: 'peer', transfer: id, ...peer});
      introduced = true;
    }
    report({event: 'progress', transfer: id, ...progress});
  }
  try {
    const {peer: _, entries, failed, ...totals} = await transfer.finished();
    for (const entry of entries) report({event: 'entry', transfer: id, ...entry});
    report({event: 'finished', transfer: id, ...totals, failed: failed.length});
    if (failed.some(({code}) => code === 'INTEGRITY')) return exit.integrity;
    return failed.length > 0 ? exit.partial : exit.ok;
  } catch (error) {
    report({...errorEvent(error), transfer: id});
    return exitCodeOf(error);
  }
}
