import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import {writeSmallTree} from '../helpers/tree-state.ts';
import {assertSameTree, writeSparse} from '../helpers/tree.ts';
import {emptyFolder, start, succeed} from './installed.ts';

/** Moves a tree between two processes that run the command like this in a folder, and compares what arrives. */
export async function assertCommandMoves(
  t: ExecutionContext,
  hawser: readonly string[],
  cwd: string,
): Promise<void> {
  const folder = emptyFolder();
  const tree = writeSmallTree(t, folder);
  const inbox = join(folder, 'inbox');

  const options = ['--once', '--bind', '127.0.0.1', '--port', '0'];
  const receiver = start(t, [...hawser, 'receive', inbox, ...options], cwd);
  const ticket = await receiver.said('stdout', /hawser1\w+/);
  const sent = await start(t, [...hawser, 'send', tree], cwd, {HAWSER_TICKET: ticket}).ended();
  const received = await receiver.ended();

  t.deepEqual([sent.code, received.code], [0, 0], `${sent.stderr}${received.stderr}`);
  await assertSameTree(t, join(inbox, 'tree'), tree);
}

/** Moves a tree between the two sides of a program that runs like this in a folder where programs/move.mjs is. */
export async function assertProgramMoves(
  t: ExecutionContext,
  runtime: readonly string[],
  cwd: string,
): Promise<void> {
  const folder = emptyFolder();
  const tree = writeSmallTree(t, folder);
  const [inbox, large] = [join(folder, 'inbox'), join(folder, 'large')];
  writeSparse(large, 2 ** 28);

  const said = await succeed(t, [...runtime, 'move.mjs', tree, inbox, large], cwd);

  t.deepEqual(JSON.parse(said), {files: 7, failed: [], reason: 'AbortError', refused: 'TICKET_INVALID'});
  await assertSameTree(t, join(inbox, 'tree'), tree);
}

/** What a process had after some of its workers. */
interface Resources {
  readonly memory: number;
  readonly threads: number;
  readonly files: number;
}

/** Ends so many workers in mid-transfer, and gives what the process had after every 25 of them. */
export async function terminateWorkers(
  t: ExecutionContext,
  runtime: readonly string[],
  cwd: string,
  workers: number,
): Promise<readonly Resources[]> {
  const folder = emptyFolder();
  writeSparse(join(folder, 'large'), 2 ** 26);
  writeSparse(join(folder, 'small'), 1000);
  const said = await succeed(t, [...runtime, 'terminate.mjs', folder, String(workers)], cwd);
  const {files, seen} = JSON.parse(said) as {files: number; seen: readonly Resources[]};
  t.deepEqual({files, rounds: seen.length}, {files: 1, rounds: workers / 25});
  return seen;
}
