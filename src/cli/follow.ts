import type {Peer, Progress, Transfer} from '../index.ts';
import {errorEvent, type Acquaintance} from './events.ts';
import {exit, exitCodeOf, type ExitCode} from './exit.ts';
import type {CommandContext} from './run.ts';

/**
 * Reports a transfer from now to its end, and tells `acquaint` of its peer, again when what is offered was accepted;
 * gives the exit code that it stands for. Never rejects.
 */
export async function follow(
  transfer: Transfer,
  id: number,
  {report, intervalMs, signal}: CommandContext,
  acquaint: (peer: Peer, accepted: boolean) => Promise<Acquaintance>,
): Promise<ExitCode> {
  let introduced: Promise<unknown> | undefined;
  let last: Progress | undefined;
  let accepted = false;
  const introduce = async (peer: Peer): Promise<void> => {
    const acquaintance = await acquaint(peer, accepted);
    report({event: 'peer', transfer: id, ...peer, ...acquaintance});
  };
  for await (const progress of transfer.progress(intervalMs)) {
    const {peer} = transfer;
    const acceptedNow = progress.accepted && !accepted;
    accepted ||= progress.accepted;
    // Not waited for here: a disk that takes its time must not hold up what there is to see of the transfer.
    if (peer && !introduced) introduced = introduce(peer);
    else if (peer && acceptedNow) introduced = introduced?.then(() => acquaint(peer, true));
    const {outage, reconnects} = progress;
    // Between two snapshots it may have gone on and been lost again, at its first attempt each time.
    const reconnected = reconnects > (last?.reconnects ?? 0);
    if (reconnected || outage) await introduced;
    if (reconnected) report({event: 'reconnected', transfer: id, reconnects});
    if (outage && (reconnected || outage.attempt !== last?.outage?.attempt)) {
      const {attempt, elapsedMs, retryMs, reason: message} = outage;
      report({event: 'reconnecting', transfer: id, attempt, elapsedMs, retryMs, message});
    }
    report({event: 'progress', transfer: id, ...progress});
    last = progress;
  }
  await introduced;
  try {
    const {peer: _, entries, failed, ...totals} = await transfer.finished();
    for (const entry of entries) report({event: 'entry', transfer: id, ...entry});
    report({event: 'finished', transfer: id, ...totals, failed: failed.length});
    if (failed.some(({code}) => code === 'INTEGRITY')) return exit.integrity;
    return failed.length > 0 ? exit.partial : exit.ok;
  } catch (error) {
    const {filesDelivered = 0, bytesDelivered = 0} = last ?? {};
    const interrupted = signal.aborted && error === signal.reason ? ({interrupted: true} as const) : {};
    report({
      ...errorEvent(error),
      transfer: id,
      filesDelivered,
      bytesDelivered,
      accepted,
      ...interrupted,
    });
    return exitCodeOf(error);
  }
}
