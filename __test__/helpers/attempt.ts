import {basename, join} from 'node:path';
import {
  get,
  receive,
  send,
  share,
  type DialOptions,
  type Listener,
  type ListenOptions,
  type Report,
  type Transfer,
} from '../../src/index.ts';
import {identity} from './identity.ts';
import {loopback} from './loopback.ts';
import {none} from './tally.ts';
import {differences, wrongs} from './tree-state.ts';

/** What is sent, and the folder that it is to arrive in. */
export interface Trees {
  readonly tree: string;
  readonly inbox: string;
}

/** Which side dials: the one that has the files, or the one that wants them. */
export interface Way {
  readonly listen: (trees: Trees, options: ListenOptions) => Promise<Listener>;
  readonly dial: (trees: Trees, ticket: string, options?: DialOptions) => Transfer;
}

/** `hawser receive` and `hawser send`. */
export const push: Way = {
  listen: ({inbox}, options) => receive({directory: inbox, identity, ...options}),
  dial: ({tree}, to, options) => send([tree], {to, identity, retryMs: 0, ...options}),
};

/** `hawser share` and `hawser get`. */
export const pull: Way = {
  listen: ({tree}, options) => share([tree], {identity, ...options}),
  dial: ({inbox}, ticket, options) => get(ticket, {directory: inbox, identity, retryMs: 0, ...options}),
};

/** How a transfer ended that a fault may have hit. */
export interface Attempt {
  /** Whether it said that everything was delivered or there already. */
  readonly succeeded: boolean;
  readonly report?: Report;
  readonly error?: Error;
}

/** Waits for the end of a transfer, whatever it is. */
export async function ended(transfer: Transfer): Promise<Attempt> {
  try {
    const report = await transfer.finished();
    return {succeeded: report.failed.length === 0, report};
  } catch (error) {
    return {succeeded: false, error: error as Error};
  }
}

/** Checks that a transfer delivered everything, and that it is what was sent. Gives its report. */
export function checkDelivered({report, error}: Attempt, trees: Trees): Report {
  if (!report) throw new Error(`it failed: ${error?.message}`);
  none(
    'failed',
    report.failed.map(({path, code}) => `${path}: ${code}`),
  );
  if (report.renamed > 0) throw new Error(`${report.renamed} copies under other names`);
  none('other than sent', differences(arrived(trees), trees.tree));
  return report;
}

/** What holds after every fault: nothing wrong has a name, and who says that all is there has it all there. */
export function checkCutOff(succeeded: boolean, trees: Trees): void {
  none('wrong after the fault', wrongs(arrived(trees), trees.tree));
  if (succeeded) none('a success that was none', differences(arrived(trees), trees.tree));
}

/** Runs the transfer again without a fault, and checks that all of it is there then, once. */
export async function resume(trees: Trees, way = push): Promise<Report> {
  await using listener = await way.listen(trees, {bind: loopback});
  return checkDelivered(await ended(way.dial(trees, listener.ticket)), trees);
}

/** Where in its folder what was sent is. */
export function arrived({tree, inbox}: Trees): string {
  return join(inbox, basename(tree));
}
