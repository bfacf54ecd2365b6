import {cpSync, mkdirSync, symlinkSync, writeFileSync} from 'node:fs';
import {join, resolve} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {build} from 'esbuild';
import {install, place, succeed} from './installed.ts';

const tsc = resolve('node_modules/typescript/bin/tsc');
const exported =
  'HawserError,KnownPeers,checkCode,get,isHawserError,partials,protectMemory,publicIdentity,receive,removePartials,send,share,verify';

const programs = {
  'an ECMAScript module': [
    '--input-type=module',
    '--eval',
    "import * as hawser from 'hawser'; console.log(Object.keys(hawser).join())",
  ],
  'a CommonJS module': [
    '--input-type=commonjs',
    '--eval',
    "console.log(Object.keys(require('hawser')).toSorted().join())",
  ],
  'import() in CommonJS': [
    '--input-type=commonjs',
    '--eval',
    "import('hawser').then((hawser) => console.log(Object.keys(hawser).join()))",
  ],
};

for (const [what, args] of Object.entries(programs)) {
  test(`${what} has the API`, async (t) => {
    t.is(await succeed(t, [process.execPath, ...args], place.site), `${exported}\n`);
  });
}

/** A folder with hawser, Node's types and the two programs, for which TypeScript is set up like this. */
async function makeProject(t: ExecutionContext, setting: object): Promise<string> {
  const project = await install(t);
  mkdirSync(join(project, 'node_modules/@types'));
  symlinkSync(resolve('node_modules/@types/node'), join(project, 'node_modules/@types/node'), 'junction');
  cpSync('__test__/consumers', project, {recursive: true});
  const compilerOptions = {
    ...setting,
    target: 'es2022',
    lib: ['es2022', 'esnext.disposable'],
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
  };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({compilerOptions}));
  return project;
}

/** Asserts that these programs of a project run and have the API. */
async function assertRun(t: ExecutionContext, project: string, ...names: readonly string[]): Promise<void> {
  for (const name of names) {
    const said = await succeed(t, [process.execPath, name], project);
    t.is(said, `${'function,'.repeat(5).slice(0, -1)}\ntrue\n`);
  }
}

for (const module of ['node16', 'nodenext']) {
  test(`.mts and .cts compile by the resolution of ${module}, and run`, async (t) => {
    const project = await makeProject(t, {module});

    t.is(await succeed(t, [process.execPath, tsc, '--project', project], project), '');
    await assertRun(t, project, 'consumer.mjs', 'consumer.cjs');
  });
}

test('.mts and .cts compile by the resolution of bundlers, and run once they are bundled', async (t) => {
  const project = await makeProject(t, {module: 'preserve', moduleResolution: 'bundler', noEmit: true});

  t.is(await succeed(t, [process.execPath, tsc, '--project', project], project), '');
  for (const [source, outfile, format] of [
    ['consumer.mts', 'consumer.mjs', 'esm'],
    ['consumer.cts', 'consumer.cjs', 'cjs'],
  ] as const) {
    const options = {bundle: true, packages: 'external', platform: 'node', target: 'node20'} as const;
    await build({...options, entryPoints: [source], absWorkingDir: project, format, outfile});
  }
  await assertRun(t, project, 'consumer.mjs', 'consumer.cjs');
});
