import {spawn} from 'node:child_process';
import {once} from 'node:events';

/** Runs npm, and gives what it printed. Rejects with what it said when it fails. */
export async function npm(args, {cwd, env = process.env} = {}) {
  const shell = process.platform === 'win32';
  const child = spawn('npm', args, {
    cwd,
    shell,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = {stdout: '', stderr: ''};
  for (const stream of ['stdout', 'stderr']) {
    child[stream].setEncoding('utf8').on('data', (chunk) => (output[stream] += chunk));
  }
  const [code] = await once(child, 'close');
  if (code === 0) return output.stdout;
  throw new Error(`npm ${args.join(' ')} ended with exit code ${code}:\n${output.stderr}${output.stdout}`);
}

/**
 * The environment without the settings of an npm that runs this, the registry to publish to among them: for an npm that is
 * to use another one.
 */
export function withoutNpm() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
}
