import {readdir, utimes} from 'node:fs/promises';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import {send, type Transfer} from '../../src/index.ts';
import {makeFolder} from './folder.ts';
import {startReceiver} from './loopback.ts';
import {writeSparse} from './tree.ts';

/** Bytes of the files of which there are parts. */
export const partOfBytes = 2 ** 27;

/** A transfer into `inbox` that has written something and is far from its end. */
interface Begun {
  readonly file: string;
  readonly inbox: string;
  readonly transfer: Transfer;
  /** Closes the receiver; resolves when the sessions have ended. */
  readonly close: () => Promise<void>;
}

/** Begins to send a large file. */
export async function begin(t: ExecutionContext, name: string): Promise<Begun> {
  const folder = makeFolder(t);
  const [file, inbox] = [join(folder, name), join(folder, 'inbox')];
  writeSparse(file, partOfBytes);
  const receiver = await startReceiver(t, inbox);
  const transfer = send([file], {to: receiver.ticket, limit: 5_000_000});
  for await (const {bytesDone} of transfer.progress(10)) if (bytesDone > 0) break;
  return {file, inbox, transfer, close: () => receiver.close()};
}

/** A folder in which a session that was cut off has left a part of a file of this name. */
export async function cutOff(t: ExecutionContext, name: string): Promise<{file: string; inbox: string}> {
  const {file, inbox, transfer, close} = await begin(t, name);
  await transfer.close();
  await close();
  return {file, inbox};
}

/** Makes all that is kept in a folder as old as if it was left at this time. */
export async function dateBack(inbox: string, to: Date): Promise<void> {
  for (const name of await readdir(join(inbox, '.hawser/partials')))
    await utimes(join(inbox, '.hawser/partials', name), to, to);
}
