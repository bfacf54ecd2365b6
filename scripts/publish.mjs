// `node scripts/publish.mjs`: publishes the packages of build/packages, the platforms' before the one that names them. What
// the registry has already is left alone, so after a failure it can be run again. `--dry-run` shows what would be done,
// `--packages FOLDER` takes them from elsewhere.
import {spawnSync} from 'node:child_process';
import {existsSync, readdirSync} from 'node:fs';
import {join, resolve} from 'node:path';
import {parseArgs} from 'node:util';

const {values: options} = parseArgs({
  options: {
    'dry-run': {type: 'boolean', default: false},
    packages: {type: 'string', default: 'build/packages'},
  },
});
const folder = resolve(options.packages);
/** Eight platforms and the main package. */
const COUNT = 9;

const names = existsSync(folder) ? readdirSync(folder) : [];
const tarballs = names.filter((name) => name.endsWith('.tgz'));
if (tarballs.length !== COUNT) {
  fail(
    `${folder} has ${tarballs.length} packages, not ${COUNT}: run "npm run pack -- --all" with all addons.`,
  );
}
const isMain = (name) => /^hawser-\d/.test(name);
for (const tarball of tarballs.toSorted((a, b) => Number(isMain(a)) - Number(isMain(b)))) publish(tarball);

function publish(tarball) {
  const path = join(folder, tarball);
  const {id, version} = identify(path);
  const known = npm(['view', id, 'version', '--json'], 'pipe');
  if (known.status === 0 && known.stdout.trim() !== '') {
    console.log(`${id} is in the registry already.`);
    return;
  }
  // A prerelease is nobody's default.
  const tag = version.includes('-') ? 'next' : 'latest';
  const args = [
    'publish',
    path,
    '--access',
    'public',
    '--tag',
    tag,
    ...(options['dry-run'] ? ['--dry-run'] : []),
  ];
  if (npm(args, 'inherit').status !== 0)
    fail(`${id} could not be published; run this again when the cause is mended.`);
}

/** The name and version within a tarball. */
function identify(path) {
  const {status, stdout, stderr} = npm(['pack', path, '--dry-run', '--json'], 'pipe');
  if (status !== 0) fail(`${path} is no package: ${stderr}`);
  const [{id, version}] = Object.values(JSON.parse(stdout));
  return {id, version};
}

function npm(args, stdio) {
  return spawnSync('npm', args, {
    encoding: 'utf8',
    stdio: ['ignore', stdio, stdio],
    shell: process.platform === 'win32',
  });
}

function fail(reason) {
  console.error(reason);
  process.exit(1);
}
