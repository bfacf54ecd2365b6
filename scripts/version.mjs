// What `npm version` runs when it has written the new version into package.json and package-lock.json, before it commits:
// writes it wherever else it stands.
import {readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {run} from './run.mjs';

const {npm_old_version: old, npm_new_version: version} = process.env;
if (!old || !version) {
  console.error('This is for npm to run: "npm version patch", "npm version minor" or "npm version major".');
  process.exit(1);
}

const changed = ['package.json', 'package-lock.json'];
for (const file of ['Cargo.toml', 'native/fuzz/Cargo.toml'])
  change(file, `\nversion = "${old}"\n`, `\nversion = "${version}"\n`);
for (const file of ['Cargo.lock', 'native/fuzz/Cargo.lock']) {
  change(file, new RegExp(`(\nname = "hawser-[a-z-]+"\nversion = )"${escape(old)}"`, 'g'), `$1"${version}"`);
}
for (const platform of readdirSync('npm')) {
  change(join('npm', platform, 'package.json'), `"version": "${old}"`, `"version": "${version}"`);
}
// As the addon generates it for that version, which `npm run check` checks.
change(
  'binding.cjs',
  new RegExp(`(bindingPackageVersion !== '|expected )${escape(old)}\\b`, 'g'),
  `$1${version}`,
);
const today = new Date().toISOString().slice(0, 10);
change('CHANGELOG.md', '\n## Unreleased\n', `\n## Unreleased\n\n## ${version} - ${today}\n`);
run(`git add ${changed.join(' ')}`);

function change(file, from, to) {
  const text = readFileSync(file, 'utf8');
  const result = text.replaceAll(from, to);
  if (result === text) {
    console.error(`${file} does not have version ${old} where it should.`);
    process.exit(1);
  }
  writeFileSync(file, result);
  changed.push(file);
}

function escape(text) {
  return text.replaceAll('.', '\\.');
}
