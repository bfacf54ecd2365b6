import {toNativeDestination, type Destination} from './destination.ts';
import {identityBytes} from './identity.ts';
import {dial, type NativeJob} from './native.ts';
import {answerOffers, type OfferOption} from './offer.ts';
import {integer, milliseconds, type SessionOptions} from './session.ts';
import {Transfer} from './transfer.ts';

/** What dialling takes, whether it sends or gets. */
export interface DialOptions extends SessionOptions {
  /** TCP connections to spread the bytes over, 1 to 16. Default: as many as pay, found by trying. */
  readonly lanes?: number | undefined;
  /**
   * When all connections are lost, for how many milliseconds since then to try to go on over new ones: a whole number,
   * 0 for not at all, Infinity for ever. Default: 10 minutes. Before the first connection nothing is tried again.
   */
  readonly retryMs?: number | undefined;
}

/** Long enough for a machine that is started again, or a line that is down for some minutes. */
const defaultRetryMs = 10 * 60_000;

/** @internal */
export function startTransfer(to: Destination, job: NativeJob, options: DialOptions & OfferOption): Transfer {
  const lanes = options.lanes === undefined ? {} : {lanes: integer('number of lanes', options.lanes, 1, 16)};
  const retryMs = milliseconds('time to retry', options.retryMs ?? defaultRetryMs);
  const identity = identityBytes(options.identity);
  const native = dial({job, to: toNativeDestination(to), retryMs, ...lanes, ...identity});
  answerOffers(native, options);
  return new Transfer(native, options.signal);
}
