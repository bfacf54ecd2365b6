import {readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {join, relative, resolve} from 'node:path';
import {parseTriple} from '@napi-rs/cli';
import test from 'ava';
import {explainLoadFailure} from '../src/load-failure.ts';
import {makeFolder} from './helpers/folder.ts';
import {runNode} from './helpers/process.ts';

const manifest = createRequire(import.meta.url)('hawser/package.json') as {
  napi: {targets: readonly string[]};
};
const triples = manifest.napi.targets.map(parseTriple);
const platforms = triples.map(({platformArchABI}) => platformArchABI).toSorted();

/** Every file in a folder. */
function contents(folder: string): Record<string, string> {
  const files = readdirSync(folder, {recursive: true, withFileTypes: true}).filter((entry) => entry.isFile());
  const paths = files.map((file) => join(file.parentPath, file.name)).toSorted();
  return Object.fromEntries(paths.map((path) => [relative(folder, path), readFileSync(path, 'utf8')]));
}

test('npm/ has a package for each target, as package.json would have it made', async (t) => {
  const folder = makeFolder(t);
  const napi = resolve('node_modules/@napi-rs/cli/dist/cli.js');

  const made = await runNode(t, [napi, 'create-npm-dirs', '--npm-dir', relative('.', folder)]);

  t.is(made.code, 0, made.stderr);
  // What napi writes there would send its readers to a package that does not exist.
  for (const {platformArchABI: name, triple} of triples) {
    const readme =
      `# \`@hawser/native-${name}\`\n\n` +
      `The **${triple}** binary of \`hawser\`, which installs it where it fits. Install \`hawser\`, not this.\n`;
    writeFileSync(join(folder, name, 'README.md'), readme);
  }
  t.deepEqual(readdirSync('npm').toSorted(), platforms);
  t.deepEqual(contents('npm'), contents(folder));
});

test('the error of a machine without a package names all that there are', (t) => {
  const message = explainLoadFailure(new Error('Unsupported OS: plan9, architecture: x64'), 'plan9-x64');

  t.is(message, `there is no binary of hawser for plan9-x64, but for ${platforms.join(', ')}`);
});
