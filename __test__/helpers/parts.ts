import {execFileSync} from 'node:child_process';
import {readdirSync, statSync} from 'node:fs';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import type {Transfer} from '../../src/index.ts';
import {ended, push, resume, type Trees, type Way} from './attempt.ts';
import {startProxied} from './proxy.ts';

const chunkBytes = 2 ** 18;

/** So much of a small tree is let through before it is cut off: all that is small, and a part of what is not. */
export const enough = 800_000;

/** Cuts a transfer off in the middle, so that parts of files are left with their journals. */
export async function leaveParts(t: ExecutionContext, trees: Trees, way: Way, most = enough): Promise<void> {
  const {listener, proxy} = await startProxied(t, way, trees);
  const direction = way === push ? 'up' : 'down';
  proxy.holdEachAfter(most, direction);
  const transfer = way.dial(trees, listener.ticket, {lanes: 1});
  await proxy.until(() => proxy.isHolding(direction));
  await untilWritten(transfer);
  proxy.stop();
  await ended(transfer);
  await listener.close();
  if (journals(trees.inbox).length === 0) throw new Error('it left nothing to resume');
}

/** Waits until a chunk of a file is known to be written, or the transfer has ended. */
export async function untilWritten(transfer: Transfer): Promise<void> {
  for await (const {bytesDone} of transfer.progress(10)) if (bytesDone >= chunkBytes) break;
}

/** The journals in a folder that was received into, those that say something. */
export function journals(inbox: string): readonly string[] {
  const folder = partsFolder(inbox);
  return readdirSync(folder)
    .filter((name) => name.endsWith('.journal'))
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).size > 0);
}

/** Where parts of files are that may be resumed. */
export function partsFolder(inbox: string): string {
  return join(inbox, '.hawser/partials');
}

/** Puts a folder in another place, times and modes included. */
export function copyFolder(from: string, to: string): void {
  execFileSync('cp', ['--archive', '--sparse=never', from, to]);
}

/** Runs a transfer again and checks that it used what was there. */
export async function resumeParts(trees: Trees, way?: Way): Promise<void> {
  const {bytesResumed} = await resume(trees, way);
  if (bytesResumed === 0) throw new Error('it began all over');
}
