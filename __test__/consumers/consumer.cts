import hawser = require('hawser');
import type {Progress, Report} from 'hawser';

export async function example(ticket: string, signal: AbortSignal): Promise<Report> {
  await using sharer = await hawser.share(['photos'], {port: 0});
  console.log(sharer.ticket);
  for await (const transfer of sharer) console.log(transfer.peer, await transfer.finished());

  const transfer = hawser.get(ticket, {directory: 'inbox', signal});
  for await (const progress of transfer.progress()) render(progress);
  return transfer.finished();
}

function render({bytesDone, etaMs}: Progress): void {
  console.log(bytesDone, etaMs?.toFixed(0));
}

// @ts-expect-error: a folder is needed
export const incomplete = (): unknown => hawser.get('ticket', {});

const {get, receive, send, share, isHawserError, HawserError} = hawser;
console.log([get, receive, send, share, isHawserError].map((value) => typeof value).join());
console.log(isHawserError(new HawserError('IO', 'message')));
