import {mkdirSync, mkdtempSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import {Process, type Result} from '../helpers/process.ts';

/** What scripts/test-package.mjs has prepared. */
interface Place {
  /** Gone when the tests are over. */
  readonly folder: string;
  /** Where the tarballs are. */
  readonly packages: string;
  /** Where `npm install hawser` was run. */
  readonly site: string;
  /** Where node_modules has what the packages are tried with. */
  readonly tools: string;
  /** The end of the name of the package with this machine's binary. */
  readonly host: string;
  readonly version: string;
  /** The address of the registry that hawser is published to. */
  readonly registry: string;
  /** The environment in which npm uses that registry. */
  readonly environment: NodeJS.ProcessEnv;
}

const {HAWSER_PACKAGE_TEST: prepared} = process.env;
if (prepared === undefined) throw new Error('These tests are run by "npm run test:package".');

export const place = JSON.parse(readFileSync(prepared, 'utf8')) as Place;

/** A path below node_modules of the tools. */
export function tool(...names: readonly string[]): string {
  return join(place.tools, 'node_modules', ...names);
}

/** The command as it is installed in the site. */
export const main = join(place.site, 'node_modules/hawser/dist/cli/main.js');

/** An empty folder outside the clone, where nothing of it is found. */
export function emptyFolder(): string {
  const folder = join(place.folder, 'test');
  mkdirSync(folder, {recursive: true});
  return mkdtempSync(join(folder, '-'));
}

/** Runs a command in a folder, as its user would: nothing of the npm that runs the tests is in its environment. */
export function start(
  t: ExecutionContext,
  command: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
): Process {
  const [program = '', ...args] = command;
  const ours = Object.keys(process.env).filter((name) => /^(?:npm_|HAWSER_|NODE_OPTIONS$)/i.test(name));
  const cleared = Object.fromEntries(ours.map((name) => [name, undefined]));
  const HAWSER_CONFIG_DIR = join(place.folder, 'config');
  return new Process(t, program, args, {...cleared, ...place.environment, HAWSER_CONFIG_DIR, ...env}, cwd);
}

/** Runs a command in a folder to its end. */
export function run(
  t: ExecutionContext,
  command: readonly string[],
  cwd: string,
  env?: NodeJS.ProcessEnv,
): Promise<Result> {
  return start(t, command, cwd, env).ended();
}

/** Runs a command in a folder, which succeeds. Gives what it printed. */
export async function succeed(
  t: ExecutionContext,
  command: readonly string[],
  cwd: string,
  env?: NodeJS.ProcessEnv,
): Promise<string> {
  const {code, stdout, stderr} = await run(t, command, cwd, env);
  t.is(code, 0, `${command.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

/** Installs hawser into an empty folder with npm. Gives the folder. */
export async function install(t: ExecutionContext, ...options: readonly string[]): Promise<string> {
  const folder = emptyFolder();
  await succeed(t, ['npm', 'install', 'hawser', '--prefer-offline', '--loglevel=error', ...options], folder);
  return folder;
}
