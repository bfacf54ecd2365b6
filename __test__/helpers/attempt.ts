import type {ExecutionContext} from 'ava';
import {receive, send, type FilePath, type Report, type SendOptions} from '../../src/index.ts';
import {loopback} from './loopback.ts';
import {none} from './tally.ts';
import {differences, wrongs} from './tree-state.ts';

/** How a transfer ended that a fault may have hit. */
export interface Attempt {
  /** Whether it said that everything was delivered or there already. */
  readonly succeeded: boolean;
  readonly report?: Report;
  readonly error?: Error;
}

/** Sends and gives how it ended. */
export async function attempt(
  paths: readonly FilePath[],
  to: string,
  options: Omit<SendOptions, 'to'> = {},
): Promise<Attempt> {
  try {
    const report = await send(paths, {to, ...options}).finished();
    return {succeeded: report.failed.length === 0, report};
  } catch (error) {
    return {succeeded: false, error: error as Error};
  }
}

/** What holds after every fault: nothing wrong has a name, and who says that all is there has it all there. */
export function checkCutOff(succeeded: boolean, arrived: string, sent: string): void {
  none('wrong after the fault', wrongs(arrived, sent));
  if (succeeded) none('a success that was none', differences(arrived, sent));
}

/** Runs the transfer again without a fault, and checks that all of it is there then, once. */
export async function resume(
  t: ExecutionContext,
  directory: string,
  arrived: string,
  sent: string,
): Promise<Report> {
  const receiver = await receive({directory, bind: loopback});
  t.teardown(() => receiver.close());
  const {report, error} = await attempt([sent], receiver.ticket);
  await receiver.close();
  if (!report) throw new Error(`cannot be resumed: ${error?.message}`);
  none(
    'not resumed',
    report.failed.map(({path, code}) => `${path}: ${code}`),
  );
  if (report.renamed > 0) throw new Error(`${report.renamed} copies under other names`);
  none('other than sent', differences(arrived, sent));
  return report;
}
