import {HawserError} from './errors.ts';
import {dial, type NativeJob} from './native.ts';
import {integer, type SessionOptions} from './session.ts';
import {Transfer} from './transfer.ts';

/** What dialling takes, whether it sends or gets. */
export interface DialOptions extends SessionOptions {
  /** TCP connections to spread the bytes over, 1 to 16. Default: 4. */
  readonly lanes?: number | undefined;
}

/** @internal */
export function startTransfer(ticket: string, job: NativeJob, options: DialOptions): Transfer {
  if (typeof ticket !== 'string') throw new HawserError('INVALID_OPTION', 'the ticket must be a string');
  const lanes = integer('number of lanes', options.lanes ?? defaultLanes, 1, 16);
  return new Transfer(dial({job, ticket, lanes}), options.signal);
}

/** Enough for a second core to help and for a long line to fill. */
const defaultLanes = 4;
