// `npm run smoke`: installs the packages of build/packages into an empty folder, imports hawser both ways, and moves a tree
// between two processes. `--node COMMAND` runs them with another Node, an emulator before it perhaps, and then
// `--platform NAME` says which package it needs; `--packages FOLDER` takes them from elsewhere.
import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {basename, join, resolve} from 'node:path';
import {createInterface} from 'node:readline';
import {parseArgs} from 'node:util';
import {compareTrees} from './compare-trees.mjs';

const {values: options} = parseArgs({
  options: {
    node: {type: 'string'},
    packages: {type: 'string', default: 'build/packages'},
    platform: {type: 'string', default: thisPlatform()},
  },
});
// A path with a space in it is no command that could be split.
const [node, ...nodeArguments] = options.node?.split(' ') ?? [process.execPath];
const windows = process.platform === 'win32';
const folder = mkdtempSync(join(tmpdir(), 'hawser-smoke-'));

try {
  install();
  const version = evaluate('process.version');
  evaluate("require('hawser').receive.name");
  evaluate("import('hawser').then(({receive}) => receive.name)");
  makeTree();
  await transfer();
  const {files, folders, links, bytes, differences} = await compareTrees(
    join(folder, 'tree'),
    join(folder, 'inbox/tree'),
  );
  if (differences.length > 0) throw new Error(differences.join('\n'));
  console.log(
    `${options.platform}, Node ${version}: moved ${files} files, ${folders} folders, ${links} links, ${bytes} bytes.`,
  );
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, {recursive: true, force: true, maxRetries: 10});
}

function install() {
  const names = existsSync(options.packages) ? readdirSync(options.packages) : [];
  const tarballs = names.map((name) => resolve(options.packages, name));
  const main = tarballs.find((tarball) => /^hawser-\d/.test(basename(tarball)));
  if (!main) throw new Error(`${options.packages} has no packages: run "npm run pack"`);
  // npm chooses among them as it does in a registry.
  const natives = tarballs.map((tarball) => [
    /^hawser-(native-.+)-\d+\.\d+\.\d+/.exec(basename(tarball))?.[1],
    tarball,
  ]);
  const optionalDependencies = Object.fromEntries(
    natives.filter(([name]) => name).map(([name, tarball]) => [`@hawser/${name}`, `file:${tarball}`]),
  );
  const manifest = {private: true, dependencies: {hawser: `file:${main}`}, optionalDependencies};
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  const [os, cpu, abi] = options.platform.split('-');
  const platform = [
    `--os=${os}`,
    `--cpu=${cpu}`,
    ...(os === 'linux' ? [`--libc=${abi === 'musl' ? 'musl' : 'glibc'}`] : []),
  ];
  const args = ['install', '--no-audit', '--no-fund', '--loglevel=error', ...platform];
  const {status, error} = spawnSync('npm', args, {cwd: folder, stdio: 'inherit', shell: windows});
  if (status !== 0) throw error ?? new Error(`npm install ended with exit code ${status}`);
  const scope = join(folder, 'node_modules/@hawser');
  const installed = existsSync(scope) ? readdirSync(scope).join(', ') : 'no binary';
  if (installed !== `native-${options.platform}`)
    throw new Error(`npm chose ${installed} for ${options.platform}, of what is in ${options.packages}`);
}

/** The value of an expression, or of its promise, as a Node in that folder has it. */
function evaluate(expression) {
  const code = `Promise.resolve(${expression}).then((value) => console.log(value))`;
  const {status, stdout, stderr} = spawnSync(node, [...nodeArguments, '-e', code], {
    cwd: folder,
    encoding: 'utf8',
  });
  if (status !== 0 || stdout === 'undefined\n') throw new Error(`${expression} failed: ${stdout}${stderr}`);
  return stdout.trim();
}

function makeTree() {
  const tree = join(folder, 'tree');
  for (let number = 0; number < 20; number++) {
    const inner = join(tree, `folder ${number}`, 'inner');
    mkdirSync(inner, {recursive: true});
    for (let file = 0; file < 20; file++)
      writeFileSync(join(inner, `${file}.txt`), `${number}/${file}\n`.repeat(file));
  }
  mkdirSync(join(tree, 'empty'));
  writeFileSync(join(tree, 'Größe 漢字.bin'), Buffer.alloc(20 * 2 ** 20 + 1, 'hawser'));
  if (windows) return;
  writeFileSync(join(tree, 'program'), '#!/bin/sh\n');
  chmodSync(join(tree, 'program'), 0o755);
  symlinkSync('folder 1/inner/1.txt', join(tree, 'link'));
}

async function transfer() {
  const receiver = start(['receive', 'inbox', '--bind', '127.0.0.1', '--port', '0', '--once'], {});
  const [ticket] = await Promise.race([
    once(createInterface(receiver.stdout), 'line'),
    once(receiver, 'exit').then(([code]) => fail('the receiver', code)),
  ]);
  const ended = once(receiver, 'exit');
  const [sent] = await once(start(['send', 'tree'], {HAWSER_TICKET: ticket}), 'exit');
  if (sent !== 0) {
    receiver.kill();
    fail('the sender', sent);
  }
  const [received] = await ended;
  if (received !== 0) fail('the receiver', received);
}

function start(args, env) {
  return spawn(node, [...nodeArguments, 'node_modules/hawser/dist/cli/main.js', ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {...process.env, HAWSER_CONFIG_DIR: join(folder, 'config'), ...env},
  });
}

function fail(who, code) {
  throw new Error(`${who} ended with exit code ${code}`);
}

function thisPlatform() {
  const {platform, arch} = process;
  if (platform === 'win32') return `${platform}-${arch}-msvc`;
  if (platform !== 'linux') return `${platform}-${arch}`;
  return `${platform}-${arch}-${process.report.getReport().header.glibcVersionRuntime ? 'gnu' : 'musl'}`;
}
