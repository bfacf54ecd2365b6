// `npm run fuzz`: fuzzes everything that reads what a peer, a disk or a user says, for a given time a target, and says what came of it.
// What it has found out stays in native/fuzz/work, for the next time; what crashed in native/fuzz/artifacts.
import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {mkdirSync, readdirSync, readFileSync, renameSync, rmSync} from 'node:fs';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';

const HELP = `npm run fuzz -- [options]

  --minutes <n>   for each target, 1 unless said otherwise
  --target <name> only this one; may be given several times
  --jobs <n>      processes at a time, 1 unless said otherwise
  --minimise      afterwards, keep in native/fuzz/corpus the fewest of all inputs that reach as much code
  --help          this`;

const root = fileURLToPath(new URL('..', import.meta.url));
const fuzz = new URL('../native/fuzz/', import.meta.url);
const folder = (name) => fileURLToPath(new URL(name, fuzz));

/** No input is longer: a page and more, and many frames. */
const MAX_BYTES = 8192;
/** A single input that takes so many seconds is a finding, and so is one that takes so much memory, in MiB. */
const MAX_SECONDS = 10;
const MAX_MIB = 1024;

const fail = (text) => {
  console.error(text);
  process.exit(2);
};

const integer = (name, text) => {
  const value = Number(text);
  return Number.isSafeInteger(value) && value > 0
    ? value
    : fail(`--${name} takes a whole number from 1 on, not "${text}"`);
};
const options = () => {
  try {
    const {values} = parseArgs({
      options: {
        minutes: {type: 'string', default: '1'},
        target: {type: 'string', multiple: true},
        jobs: {type: 'string', default: '1'},
        minimise: {type: 'boolean', default: false},
        help: {type: 'boolean', default: false},
      },
    });
    return {...values, minutes: integer('minutes', values.minutes), jobs: integer('jobs', values.jobs)};
  } catch (error) {
    return fail(`${error.message}\n\n${HELP}`);
  }
};

const {minutes, target: asked, jobs, minimise, help} = options();
if (help) {
  console.log(HELP);
  process.exit();
}

const known = [...readFileSync(new URL('Cargo.toml', fuzz), 'utf8').matchAll(/fuzz_targets\/(.+)\.rs/g)].map(
  ([, name]) => name,
);
const targets = asked ?? known;
for (const target of targets) {
  if (!known.includes(target)) fail(`There is no target "${target}". There are: ${known.join(', ')}.`);
}

// Instruments and address sanitizer are unstable options of rustc. The toolchain that builds hawser has them, if it is
// told that this is meant.
const env = {...process.env, RUSTC_BOOTSTRAP: '1'};
const cargoFuzz = (command, ...more) => ['fuzz', command, '--fuzz-dir', folder('.'), ...more];

if (spawnSync('cargo', ['fuzz', '--version'], {stdio: 'ignore'}).status !== 0) {
  fail('cargo-fuzz is missing. Install it with: cargo install cargo-fuzz --locked');
}
if (spawnSync('cargo', cargoFuzz('build'), {cwd: root, env, stdio: 'inherit'}).status !== 0) {
  fail(
    'The targets could not be built. cargo-fuzz works on Linux and macOS, on x86-64 and arm64, and needs a C++ compiler.',
  );
}

const replay = (target, file) => `RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir native/fuzz ${target} ${file}`;
const files = (name) => readdirSync(folder(name)).map((file) => `native/fuzz/${name}/${file}`);

/** Runs one target for its time. */
const run = async (target) => {
  const [work, artifacts] = [`work/${target}`, `artifacts/${target}`];
  for (const name of [work, artifacts]) mkdirSync(folder(name), {recursive: true});
  const before = new Set(files(artifacts));
  const limits = [
    `-max_total_time=${minutes * 60}`,
    `-max_len=${MAX_BYTES}`,
    `-timeout=${MAX_SECONDS}`,
    `-rss_limit_mb=${MAX_MIB}`,
    '-print_final_stats=1',
  ];
  const args = cargoFuzz('run', target, folder(work), folder(`corpus/${target}`), '--', ...limits);
  const child = spawn('cargo', args, {cwd: root, env, stdio: ['ignore', 'ignore', 'pipe']});
  const result = {target, executions: 0, edges: 0, features: 0, rss: 0, said: []};
  for await (const line of createInterface({input: child.stderr})) {
    const reached = /cov: (\d+) ft: (\d+)/.exec(line);
    if (reached) [, result.edges, result.features] = reached.map(Number);
    const counted = /^stat::(\w+):\s+(\d+)/.exec(line);
    if (counted?.[1] === 'number_of_executed_units') result.executions = Number(counted[2]);
    if (counted?.[1] === 'peak_rss_mb') result.rss = Number(counted[2]);
    result.said.push(line);
    if (result.said.length > 200) result.said.shift();
  }
  const [code] = child.exitCode === null ? await once(child, 'close') : [child.exitCode];
  return {...result, failed: code !== 0, crashes: files(artifacts).filter((file) => !before.has(file))};
};

const number = (value) => value.toLocaleString('en');
const report = ({target, executions, edges, features, rss, failed, crashes, said}) => {
  const verdict = failed ? `FAILED, ${crashes.length} new findings` : 'no finding';
  console.log(
    `${target.padEnd(12)} ${number(executions).padStart(13)} executions  ${number(edges).padStart(6)} edges  ` +
      `${number(features).padStart(7)} features  ${number(rss).padStart(5)} MiB  ${verdict}`,
  );
  if (!failed) return;
  // What libFuzzer and its sanitizers say is mostly a stack.
  const start = said.findIndex((line) => /panicked at|ERROR:|^error/i.test(line));
  console.log(
    said
      .slice(start)
      .slice(0, start < 0 ? undefined : 4)
      .join('\n'),
  );
  for (const file of crashes) console.log(`kept: ${file}\nagain: ${replay(target, file)}`);
};

const results = [];
const waiting = [...targets];
const worker = async () => {
  for (let target = waiting.shift(); target !== undefined; target = waiting.shift()) {
    const result = await run(target);
    report(result);
    results.push(result);
  }
};
await Promise.all(Array.from({length: jobs}, worker));

if (minimise) {
  for (const target of targets) {
    const [kept, corpus] = [folder(`work/${target}.kept`), folder(`corpus/${target}`)];
    rmSync(kept, {recursive: true, force: true});
    mkdirSync(kept, {recursive: true});
    // The fewest that reach every place in the code, whatever else they do there.
    const merge = ['-set_cover_merge=1', '-use_counters=0', `-max_len=${MAX_BYTES}`];
    const args = cargoFuzz('run', target, kept, corpus, folder(`work/${target}`), '--', ...merge);
    if (spawnSync('cargo', args, {cwd: root, env, stdio: 'ignore'}).status !== 0) {
      fail(`The inputs of ${target} could not be merged; they are as they were.`);
    }
    rmSync(corpus, {recursive: true});
    renameSync(kept, corpus);
    console.log(`${target.padEnd(12)} ${number(readdirSync(corpus).length)} inputs are needed`);
  }
}

const total = results.reduce((sum, {executions}) => sum + executions, 0);
const failed = results.filter((result) => result.failed);
console.log(
  `${number(total)} executions of ${results.length} targets, ${minutes} min each; ${failed.length} with findings`,
);
process.exitCode = failed.length > 0 ? 1 : 0;
