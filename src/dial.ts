import {HawserError} from './errors.ts';
import {dial, type NativeJob} from './native.ts';
import {integer, type SessionOptions} from './session.ts';
import {Transfer} from './transfer.ts';

/** What dialling takes, whether it sends or gets. */
export interface DialOptions extends SessionOptions {
  /** TCP connections to spread the bytes over, 1 to 16. Default: as many as pay, found by trying. */
  readonly lanes?: number | undefined;
}

/** @internal */
export function startTransfer(ticket: string, job: NativeJob, options: DialOptions): Transfer {
  if (typeof ticket !== 'string') throw new HawserError('INVALID_OPTION', 'the ticket must be a string');
  const lanes = options.lanes === undefined ? {} : {lanes: integer('number of lanes', options.lanes, 1, 16)};
  return new Transfer(dial({job, ticket, ...lanes}), options.signal);
}
