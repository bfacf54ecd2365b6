import {
  get,
  HawserError,
  isHawserError,
  receive,
  send,
  share,
  type Entry,
  type Progress,
  type Report,
} from 'hawser';

export async function example(ticket: string, signal: AbortSignal): Promise<Report> {
  await using receiver = await receive({directory: 'inbox', port: 0});
  console.log(receiver.ticket);
  for await (const transfer of receiver) console.log(transfer.peer, await transfer.finished());

  const transfer = send(['sample.txt', 'photos'], {to: ticket, signal});
  for await (const progress of transfer.progress()) render(progress);
  const report = await transfer.finished(); // files, bytes, duration, each entry's fate and BLAKE3 hash
  report.entries.forEach(explain);
  return report;
}

function render({bytesDone, etaMs}: Progress): void {
  console.log(bytesDone, etaMs?.toFixed(0));
}

function explain(entry: Entry): string | undefined {
  switch (entry.fate) {
    case 'delivered':
      return entry.hash;
    case 'present':
      return entry.path;
    case 'failed':
      return entry.code === 'SOURCE_GONE' ? 'gone' : entry.message;
  }
}

// @ts-expect-error: a ticket is needed
export const incomplete = (): unknown => send(['file'], {});
// @ts-expect-error: it is not one of the codes
export const unknownCode = new HawserError('NO_SUCH_CODE', 'message');

console.log([get, receive, send, share, isHawserError].map((value) => typeof value).join());
console.log(isHawserError(new HawserError('IO', 'message')));
