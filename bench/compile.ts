import {execFileSync} from 'node:child_process';
import {mkdirSync} from 'node:fs';
import {join, resolve} from 'node:path';

const tools = resolve('build/bench/tools');

/** Compiles one of the C programs of this folder; gives the path of the result. */
export function compileC(name: 'measure' | 'wanlab'): string {
  mkdirSync(tools, {recursive: true});
  const program = join(tools, name);
  execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-pthread', '-o', program, `bench/${name}.c`], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return program;
}

/** Builds the ceiling; gives the path of its program. */
export function buildCeiling(): string {
  const args = ['bench', '-q', '-p', 'hawser-engine', '--bench', 'ceiling', '--no-run'];
  const output = execFileSync('cargo', [...args, '--message-format=json'], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for (const line of output.trimEnd().split('\n')) {
    const message = JSON.parse(line) as {executable?: string | null; target?: {name: string}};
    if (message.executable && message.target?.name === 'ceiling') return message.executable;
  }
  throw new Error('cargo built no ceiling');
}
