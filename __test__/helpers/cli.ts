import {resolve} from 'node:path';
import type {ExecutionContext} from 'ava';
import {makeFolder} from './folder.ts';
import {Process, startNode, type Result} from './process.ts';

/** The command as it is published. */
const main = resolve('dist/cli/main.js');

/** Starts `hawser` with these arguments, with no ticket and nobody's key in its environment unless given. */
export function hawser(t: ExecutionContext, args: readonly string[], env: NodeJS.ProcessEnv = {}): Process {
  return startNode(t, [main, ...args], {...nobody(t), ...env});
}

/** The environment of somebody who has never used `hawser` before. */
function nobody(t: ExecutionContext): NodeJS.ProcessEnv {
  return {
    HAWSER_TICKET: undefined,
    HAWSER_CODE: undefined,
    HAWSER_CONFIG_DIR: makeFolder(t),
    npm_command: undefined,
  };
}

/** Starts `hawser` on a terminal of its own, which the program `script` provides. */
export function hawserOnTerminal(
  t: ExecutionContext,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Process {
  return onTerminal(t, commandLine(args), env);
}

/** The command with these arguments, for a shell. */
export function commandLine(args: readonly string[]): string {
  return [process.execPath, main, ...args].map((word) => `'${word}'`).join(' ');
}

/** Runs a line of bash on a terminal of its own. */
export function onTerminal(t: ExecutionContext, line: string, env: NodeJS.ProcessEnv = {}): Process {
  return new Process(t, 'script', ['-qec', `stty cols 100 rows 30; ${line}`, '/dev/null'], {
    ...nobody(t),
    CI: undefined,
    NO_COLOR: undefined,
    TERM: 'xterm',
    SHELL: '/bin/bash',
    ...env,
  });
}

/** Runs `hawser` to its end. */
export function run(t: ExecutionContext, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Result> {
  return hawser(t, args, env).ended();
}

/** A listener in a process of its own, and its ticket. */
export interface ListeningProcess {
  readonly process: Process;
  readonly ticket: string;
}

/** Starts `hawser receive` or `hawser share` on any free port of the loopback interface. */
export async function listenOn(
  t: ExecutionContext,
  args: readonly string[],
  port = '0',
  env: NodeJS.ProcessEnv = {},
): Promise<ListeningProcess> {
  const process = hawser(t, [...args, '--bind', '127.0.0.1', '--port', port], env);
  return {process, ticket: await process.said('stdout', /hawser1\w+/)};
}

/** A listener that shows codes, where it is, and its first code. */
export interface CodeProcess {
  readonly process: Process;
  readonly address: string;
  readonly code: string;
}

/** Starts `hawser receive --code` or `hawser share --code` on any free port of the loopback interface. */
export async function showCode(
  t: ExecutionContext,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<CodeProcess> {
  const process = hawser(t, [...args, '--code', '--bind', '127.0.0.1', '--port', '0'], env);
  const line = await process.said('stdout', /^(127\.0\.0\.1:\d+ [a-z]+-[a-z]+-[a-z]+)\n/);
  const [address = '', code = ''] = line.split(' ');
  return {process, address, code};
}

/** The events that `--json` printed. */
export function parseEvents(stdout: string): readonly Readonly<Record<string, unknown>>[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
