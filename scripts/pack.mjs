// `npm run pack`: packs the main package and those of the addons in artifacts/ into build/packages/, as they are published.
// `--artifacts` and `--into` name other folders; `--all` fails unless all eight addons are there, `--tag vN` unless the
// version is N.
import {spawnSync} from 'node:child_process';
import {cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {join, resolve} from 'node:path';
import {parseArgs} from 'node:util';
import {parseTriple} from '@napi-rs/cli';
import {addonOf, ARTIFACTS, targets} from './cross.mjs';

const {values: options} = parseArgs({
  options: {
    all: {type: 'boolean', default: false},
    artifacts: {type: 'string', default: ARTIFACTS},
    into: {type: 'string', default: 'build/packages'},
    tag: {type: 'string'},
  },
});

/** How many bytes an addon may have: somewhat more than the largest has, so that it does not grow unnoticed. */
const BUDGET = 3_000_000;
const staging = 'build/staging';
const packages = resolve(options.into);
const manifest = readJson('package.json');
const platforms = targets.map((target) => ({
  name: parseTriple(target).platformArchABI,
  addon: addonOf(target),
}));
const present = platforms.filter(({addon}) => existsSync(join(options.artifacts, addon)));

if (options.tag !== undefined && options.tag !== `v${manifest.version}`) {
  fail(`The tag is ${options.tag}, and the version in package.json ${manifest.version}.`);
}
if (options.all && present.length < platforms.length) {
  const missing = platforms.filter((platform) => !present.includes(platform)).map(({addon}) => addon);
  fail(`${options.artifacts} lacks ${missing.join(', ')}.`);
}
if (present.length === 0) {
  fail(
    `${options.artifacts} has no addon: run "npm run build:all", or "npm run pack -- --artifacts ." for the one that ` +
      '"npm ci" has built here.',
  );
}
if (!existsSync('dist/cli/main.js')) fail('dist is not built: run "npm run build:ts".');
for (const folder of [staging, packages]) {
  rmSync(folder, {recursive: true, force: true});
  mkdirSync(folder, {recursive: true});
}

for (const {name, addon} of present) {
  const {size} = statSync(join(options.artifacts, addon));
  if (size > BUDGET) fail(`${addon} has ${size} bytes: more than the ${BUDGET} that it may.`);
  const folder = join(staging, name);
  cpSync(join('npm', name), folder, {recursive: true});
  cpSync(join(options.artifacts, addon), join(folder, addon));
  cpSync('LICENSE', join(folder, 'LICENSE'));
  pack(folder, readJson(join(folder, 'package.json')));
}

const folder = join(staging, 'hawser');
for (const file of [...manifest.files, 'README.md', 'LICENSE'])
  cpSync(file, join(folder, file), {recursive: true});
// What builds and tests it stays in the repository. The platform packages are of exactly this version, and named only
// here: in the repository they would make `npm ci` look for what is not published yet.
const development = new Set(['scripts', 'devDependencies', 'napi']);
const published = Object.fromEntries(Object.entries(manifest).filter(([key]) => !development.has(key)));
const optionalDependencies = Object.fromEntries(
  platforms.map(({name}) => [`${manifest.napi.packageName}-${name}`, manifest.version]),
);
pack(folder, {...published, optionalDependencies});

function pack(directory, contents) {
  if (contents.version !== manifest.version) {
    fail(`${contents.name} has version ${contents.version}, and package.json ${manifest.version}.`);
  }
  writeFileSync(join(directory, 'package.json'), `${JSON.stringify({...contents, ...origin()}, null, 2)}\n`);
  const shell = process.platform === 'win32';
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', packages];
  const {status, stdout, stderr} = spawnSync('npm', args, {cwd: directory, encoding: 'utf8', shell});
  if (status !== 0) fail(`npm could not pack ${contents.name}: ${stderr}`);
  const [{filename, unpackedSize, files}] = Object.values(JSON.parse(stdout));
  const {size} = statSync(join(packages, filename));
  console.log(`${filename}: ${files.length} files, ${size} bytes, unpacked ${unpackedSize}`);
}

/** Where a release workflow runs: provenance is accepted only for a package that names it. */
function origin() {
  const {GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository} = process.env;
  return server && repository ? {repository: {type: 'git', url: `git+${server}/${repository}.git`}} : {};
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}

function fail(reason) {
  console.error(reason);
  process.exit(1);
}
