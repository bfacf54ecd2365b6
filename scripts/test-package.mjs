// `npm run test:package`: packs hawser as it is published, publishes it to a registry on this machine, installs it from there
// with npm, and tries what was installed with the tests in __test__/package. Arguments go to AVA.
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {addonOf} from './cross.mjs';
import {startRegistry} from './local-registry.mjs';
import {npm, withoutNpm} from './npm.mjs';
import {installTools} from './package-tools.mjs';

const {glibcVersionRuntime} = process.report.getReport().header;
if (process.platform !== 'linux' || process.arch !== 'x64' || !glibcVersionRuntime) {
  console.error(
    'The packages are tried on Linux with glibc on x64: elsewhere there are not all the tools for it.',
  );
  process.exit(1);
}

const {version, napi} = JSON.parse(readFileSync('package.json', 'utf8'));
const host = 'linux-x64-gnu';
const addon = `hawser.${host}.node`;
const folder = mkdtempSync(join(tmpdir(), 'hawser-package-'));
let registry;
try {
  const tools = await step('installing the tools', installTools);
  const packages = join(folder, 'packages');
  await step('packing', pack, packages);
  registry = await step('starting a registry', startRegistry, folder, tools);
  await step('publishing', publish, packages);
  const site = join(folder, 'site');
  await step('npm install hawser', install, site);

  // For __test__/package/installed.ts.
  const {url, environment} = registry;
  const place = {folder, packages, site, tools, host, version, registry: url, environment};
  writeFileSync(join(folder, 'place.json'), JSON.stringify(place));
  await ava(join(folder, 'place.json'));
} catch (error) {
  console.error(error.cause ? `${error.message}\n${error.cause.message}` : error.message);
  process.exitCode = 1;
} finally {
  registry?.close();
  rmSync(folder, {recursive: true, force: true, maxRetries: 10});
}

/** All nine, as for a release. Only this machine's addon was built: elsewhere than here what stands in for one fails to load. */
async function pack(packages) {
  const addons = join(folder, 'addons');
  mkdirSync(addons);
  for (const target of napi.targets)
    writeFileSync(join(addons, addonOf(target)), 'This stands in for an addon.');
  copyFileSync(addon, join(addons, addon));
  // As a release workflow does, and alike wherever this runs: a package names its repository.
  const env = {GITHUB_SERVER_URL: 'https://example.com', GITHUB_REPOSITORY: 'somebody/hawser'};
  await node(['scripts/pack.mjs', '--all', '--artifacts', addons, '--into', packages], env);
}

async function publish(packages) {
  await node(['scripts/publish.mjs', '--packages', packages], registry.environment);
}

async function install(site) {
  mkdirSync(site);
  await npm(['install', 'hawser'], {cwd: site, env: {...withoutNpm(), ...registry.environment}});
}

async function ava(place) {
  const args = [
    'node_modules/ava/entrypoints/cli.mjs',
    '--config',
    'ava.package.config.js',
    ...process.argv.slice(2),
  ];
  await node(args, {HAWSER_PACKAGE_TEST: place});
}

async function node(args, env) {
  const child = spawn(process.execPath, args, {stdio: 'inherit', env: {...withoutNpm(), ...env}});
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`${args[0]} ended with exit code ${code}`);
}

async function step(what, act, ...args) {
  const started = Date.now();
  const result = await act(...args);
  console.log(`${what}: ${((Date.now() - started) / 1000).toFixed(1)} s`);
  return result;
}
