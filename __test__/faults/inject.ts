import {execFileSync, spawnSync} from 'node:child_process';
import {mkdirSync, readFileSync, renameSync} from 'node:fs';
import {join, resolve} from 'node:path';
import type {ExecutionContext} from 'ava';
import {configFolder} from '../helpers/identity.ts';
import {Process} from '../helpers/process.ts';

const main = resolve('dist/cli/main.js');
const tools = resolve('build/tools');
/** The injector, once it is compiled. */
export const program = join(tools, 'inject');

/** A fault for one process: at the n-th of its calls of some kinds that touch something in a folder. */
export interface Fault {
  /** The folder, whose path has no links. */
  readonly inside: string;
  /** How the path of what they touch ends, if not anyhow. */
  readonly named?: string;
  /** Separated by commas; all but `send` when left out. */
  readonly kinds?: string;
  readonly at?: number;
  /** See inject.c. */
  readonly what: string;
  /** `--after` and `--on`, see inject.c. */
  readonly flags?: readonly string[];
}

/** A process that a fault may hit. */
export interface Injected {
  readonly process: Process;
  /** The calls counted so far, a line each. */
  readonly calls: () => readonly string[];
}

/** What the injector is told to run a command so that the fault hits it. */
export function injectArgs(fault: Fault, log: string, command: readonly string[]): readonly string[] {
  const {inside, named = '', kinds, at = 1, what, flags = []} = fault;
  const chosen = kinds === undefined ? [] : ['--kinds', kinds];
  return [
    '--dir',
    inside,
    '--name',
    named,
    ...chosen,
    '--at',
    String(at),
    '--do',
    what,
    ...flags,
    '--log',
    log,
    '--',
    ...command,
  ];
}

/** Starts `hawser` so that the fault hits it. `home` is where the test has its key and the log of the calls. */
export function hawserWith(
  t: ExecutionContext,
  fault: Fault,
  home: string,
  args: readonly string[],
): Injected {
  const log = join(home, 'calls');
  const words = injectArgs(fault, log, [process.execPath, main, ...args]);
  return {
    process: new Process(t, program, words, {HAWSER_TICKET: undefined, ...configFolder(home)}),
    calls: () => readFileSync(log, 'utf8').split('\n').slice(0, -1),
  };
}

/** Compiles the injector. Gives why it cannot be used here, if so. */
export function prepare(): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux';
  mkdirSync(tools, {recursive: true});
  // Several test processes may do this at once: each puts a whole program in place.
  const mine = `${program}.${process.pid}`;
  execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-o', mine, '__test__/faults/inject.c'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  renameSync(mine, program);
  const tried = spawnSync(program, ['--', 'true']);
  return tried.status === 0 ? undefined : `this system forbids ptrace: ${tried.stderr.toString()}`;
}

/** Everything, however long that takes, or what fits into the time of a check before each change. */
export const thorough = process.env['HAWSER_FAULTS'] === 'all';

/** Shuts down the file system that is mounted there, as if power failed. */
export function failPower(mount: string): void {
  spawnSync(program, ['--dir', mount, '--kinds', 'open', '--do', 'power', '--', 'ls', mount]);
}
