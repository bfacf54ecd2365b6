import {cpSync, mkdirSync, symlinkSync, writeFileSync} from 'node:fs';
import {join, resolve} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {makeFolder} from './helpers/folder.ts';
import {runNode} from './helpers/process.ts';

const compiler = resolve('node_modules/typescript/bin/tsc');

/** A project of its own, with the consumers of this module system, that has hawser and Node's types installed. */
function makeProject(t: ExecutionContext, module: string): string {
  const project = makeFolder(t);
  mkdirSync(join(project, 'node_modules/@types'), {recursive: true});
  symlinkSync(resolve('.'), join(project, 'node_modules/hawser'), 'junction');
  symlinkSync(resolve('node_modules/@types/node'), join(project, 'node_modules/@types/node'), 'junction');
  cpSync('__test__/consumers', project, {recursive: true});
  const compilerOptions = {
    module,
    target: 'es2022',
    lib: ['es2022', 'esnext.disposable'],
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
  };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({compilerOptions}));
  return project;
}

for (const module of ['node16', 'node18', 'node20', 'nodenext']) {
  test(`ESM and CommonJS consumers compile and run under module ${module}`, async (t) => {
    const project = makeProject(t, module);

    const compiled = await runNode(t, [compiler, '--project', project]);
    t.deepEqual(compiled, {code: 0, stdout: '', stderr: ''});

    for (const program of ['consumer.mjs', 'consumer.cjs']) {
      const ran = await runNode(t, [join(project, program)]);
      t.deepEqual(ran, {code: 0, stdout: `${'function,'.repeat(5).slice(0, -1)}\ntrue\n`, stderr: ''});
    }
  });
}

test('require() and import() give the same classes', async (t) => {
  const code = `
    const {HawserError} = require('hawser');
    import('hawser').then((esm) => console.log(esm.HawserError === HawserError));`;

  const result = await runNode(t, ['--input-type=commonjs', '--eval', code]);

  t.deepEqual(result, {code: 0, stdout: 'true\n', stderr: ''});
});
