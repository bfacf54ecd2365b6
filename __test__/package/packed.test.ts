import {readdirSync, readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {join} from 'node:path';
import {parseTriple} from '@napi-rs/cli';
import test from 'ava';
import {contents} from './contents.ts';
import {emptyFolder, place, succeed, tool} from './installed.ts';

/** What these tests read of a package. */
interface Manifest {
  readonly version: string;
  readonly napi: {readonly targets: readonly string[]};
}

const {version, napi} = createRequire(import.meta.url)('hawser/package.json') as Manifest;
const platforms = napi.targets.map((target) => parseTriple(target).platformArchABI);
const hawser = join(place.packages, `hawser-${version}.tgz`);
const native = (platform: string): string => join(place.packages, `hawser-native-${platform}-${version}.tgz`);

test('what is published is the main package and one for each platform', (t) => {
  const expected = [hawser, ...platforms.map(native)].map((path) => path.slice(place.packages.length + 1));
  t.deepEqual(readdirSync(place.packages).toSorted(), expected.toSorted());
});

test('the main package has these files and no other, and no binary', async (t) => {
  const listing = await succeed(t, ['tar', '--list', '--file', hawser], place.folder);
  t.deepEqual(listing.trim().split('\n').toSorted(), contents.map((path) => `package/${path}`).toSorted());
});

for (const platform of platforms) {
  test(`the package for ${platform} has the binary and what describes it`, async (t) => {
    const listing = await succeed(t, ['tar', '--list', '--file', native(platform)], place.folder);
    t.deepEqual(listing.trim().split('\n').toSorted(), [
      'package/LICENSE',
      'package/README.md',
      `package/hawser.${platform}.node`,
      'package/package.json',
    ]);
  });
}

test('the manifest runs nothing, and names the binaries by exact version and the repository of the workflow', async (t) => {
  const text = await succeed(
    t,
    ['tar', '--extract', '--to-stdout', '--file', hawser, 'package/package.json'],
    '.',
  );
  const manifest = JSON.parse(text) as Record<string, unknown>;

  t.deepEqual(Object.keys(manifest).toSorted(), [
    'bin',
    'dependencies',
    'description',
    'engines',
    'exports',
    'files',
    'imports',
    'keywords',
    'license',
    'name',
    'optionalDependencies',
    'repository',
    'sideEffects',
    'type',
    'version',
  ]);
  const names = platforms.map((platform) => `@hawser/native-${platform}`);
  t.deepEqual(manifest['optionalDependencies'], Object.fromEntries(names.map((name) => [name, version])));
  t.deepEqual(manifest['repository'], {type: 'git', url: 'git+https://example.com/somebody/hawser.git'});
});

test('the binary is the one that was built, without symbols', async (t) => {
  const name = `hawser.${place.host}.node`;
  const folder = emptyFolder();
  await succeed(t, ['tar', '--extract', '--file', native(place.host)], folder);
  const binary = join(folder, 'package', name);

  t.true(readFileSync(binary).equals(readFileSync(name)));
  const sections = await succeed(t, ['readelf', '--sections', '--wide', binary], folder);
  t.regex(sections, / \.dynsym /);
  t.notRegex(sections, / \.(?:symtab|debug\w*) /);
});

test('publint finds nothing to say about it', async (t) => {
  const said = await succeed(
    t,
    [process.execPath, tool('publint/src/cli.js'), hawser, '--strict'],
    place.folder,
  );
  t.regex(said, /All good!/);
});

test('are-the-types-wrong finds them right, for all but what knows no exports', async (t) => {
  const attw = [process.execPath, tool('@arethetypeswrong/cli/dist/index.js')];
  const said = await succeed(t, [...attw, hawser, '--profile', 'node16', '--format', 'ascii'], place.folder);
  t.regex(said, /\(ignoring resolutions: 'node10'\)/);
});
