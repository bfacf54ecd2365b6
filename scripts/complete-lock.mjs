// Adds to package-lock.json the binaries for other platforms that npm left out of it. npm does so where the registry in
// use does not have them; then it refuses its own lock file: "npm ci can only install packages when … are in sync".
import {readFileSync, writeFileSync} from 'node:fs';

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const added = [];

for (const [path, {optionalDependencies = {}, dev}] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const key = `node_modules/${name}`;
    if (lock.packages[key] || lock.packages[`${path}/${key}`]) continue;
    lock.packages[key] = {version, ...platformOf(name), ...(dev && {dev}), optional: true};
    added.push(name);
  }
}

const entries = Object.entries(lock.packages).toSorted(([a], [b]) => (a < b ? -1 : 1));
lock.packages = Object.fromEntries(entries);
writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);
console.log(added.length === 0 ? 'Nothing was missing.' : `Added ${added.join(', ')}.`);

/** What the name of a binary's package says: npm installs it only where it fits. */
function platformOf(name) {
  const [, os, cpu, abi] =
    /(?:^|[/-])(android|darwin|freebsd|linux|openharmony|win32|wasm32)-(\w+?)(?:-(\w+))?$/.exec(name) ?? [];
  if (!os) throw new Error(`${name} names no platform`);
  if (os === 'wasm32') return {cpu: ['wasm32']};
  const libc = abi?.startsWith('gnu') ? 'glibc' : abi?.startsWith('musl') ? 'musl' : undefined;
  return {cpu: [cpu], ...(os === 'linux' && libc && {libc: [libc]}), os: [os]};
}
