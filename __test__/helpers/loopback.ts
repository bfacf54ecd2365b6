import type {ExecutionContext} from 'ava';
import {receive, send, type FilePath, type Receiver, type Report, type SendOptions} from '../../src/index.ts';

/** Where every test listens: nothing of it leaves this machine. */
export const loopback = ['127.0.0.1'];

/** A receiver that is closed after the test. */
export async function startReceiver(t: ExecutionContext, directory: FilePath): Promise<Receiver> {
  const receiver = await receive({directory, bind: loopback});
  t.teardown(() => receiver.close());
  return receiver;
}

/** Sends paths into a folder and waits for the end of both sides; gives the sender's report. */
export async function deliver(
  t: ExecutionContext,
  paths: readonly FilePath[],
  directory: FilePath,
  options: Omit<SendOptions, 'to'> = {},
): Promise<Report> {
  const receiver = await startReceiver(t, directory);
  const report = await send(paths, {to: receiver.ticket, ...options}).finished();
  await receiver.close();
  return report;
}
