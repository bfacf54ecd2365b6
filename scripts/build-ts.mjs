// Builds dist/: the compiled sources, and for CommonJS a facade over the same modules, so that require() and import
// give the same classes. The command is one file, behind one that looks which Node there is.
import {chmodSync, readFileSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {buildSync} from 'esbuild';
import {run} from './run.mjs';

const relativeImport = /\bfrom '(\.\/[^']+)\.ts'/g;

rmSync('dist', {recursive: true, force: true});
run('tsc -p tsconfig.build.json');

// Only what index.d.ts leads to is public; the other declarations describe internals, the binding among them.
const declarations = new Set(['./index']);
for (const name of declarations) {
  for (const [, imported] of read(name).matchAll(relativeImport)) declarations.add(imported);
}
for (const file of readdirSync('dist', {recursive: true})) {
  if (file.endsWith('.d.ts') && !declarations.has(`./${file.slice(0, -'.d.ts'.length)}`))
    rmSync(join('dist', file));
}

// CommonJS TypeScript wants a .d.cts twin of every declaration, and in it .cjs where the compiler wrote .ts.
for (const name of declarations) {
  writeFileSync(join('dist', `${name}.d.cts`), read(name).replaceAll(relativeImport, "from '$1.cjs'"));
}
writeFileSync('dist/index.cjs', "module.exports = require('./index.js');\n");

// Each of its 40 or so modules, its copy of the API included, would take Node half a millisecond or more to load.
// What only looks which Node there is stays apart from it.
for (const file of readdirSync('dist/cli')) if (file !== 'main.js') rmSync(join('dist/cli', file));
buildSync({
  entryPoints: ['src/cli/program.ts'],
  outfile: 'dist/cli/program.js',
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  charset: 'utf8',
});
chmodSync('dist/cli/main.js', 0o755);

function read(name) {
  return readFileSync(join('dist', `${name}.d.ts`), 'utf8');
}
