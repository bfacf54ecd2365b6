// `npm run floods`: what a flood of connections that prove nothing costs a transfer that runs, and its receiver. Rounds
// without a flood, with one, and with the same flood against a server beside it that only accepts and hangs up: what that
// costs is the machine's, and not hawser's. Needs Linux, and Cargo for the flooder.
import {execFileSync, spawn} from 'node:child_process';
import {once} from 'node:events';
import {readFileSync} from 'node:fs';
import {mkdtemp, open, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {setInterval, setTimeout} from 'node:timers/promises';
import {parseArgs} from 'node:util';
import {send} from '../dist/index.js';

const {values} = parseArgs({
  options: {
    rounds: {type: 'string', default: '7'},
    mebibytes: {type: 'string', default: '3072'},
    limit: {type: 'string'},
    sources: {type: 'string', default: '250'},
    folder: {type: 'string', default: '/dev/shm'},
    help: {type: 'boolean', default: false},
  },
});
const [rounds, mebibytes, sources] = [values.rounds, values.mebibytes, values.sources].map(Number);
if (values.help || !(rounds > 0) || !(mebibytes > 0) || !(sources >= 0)) {
  console.log(
    'npm run floods -- [--rounds 7] [--mebibytes 3072] [--limit 200MB/s] [--sources 250] [--folder /dev/shm]\n' +
      'sources: addresses that the flood comes from; 0 for that of the sender',
  );
  process.exit(values.help ? 0 : 2);
}

/** Connections a second: 10,000 and more that stay, in each round. */
const floods = {silent: 2500, first: 2500, connect: 5000, garbage: 1000};
const cargo = ['run', '--quiet', '--release', '-p', 'hawser-engine', '--example', 'flood', '--'];
execFileSync('cargo', ['build', ...cargo.slice(1, -1)], {stdio: 'inherit'});

const home = await mkdtemp(join(values.folder, 'hawser-floods-'));
const inbox = join(home, 'inbox');
const source = join(home, 'file');
const file = await open(source, 'w');
await file.truncate(mebibytes * 2 ** 20);
await file.close();
const receiver = spawn(
  process.execPath,
  ['dist/cli/main.js', 'receive', inbox, '--bind', '127.0.0.1', '--port', '0', '--quiet'],
  {stdio: ['ignore', 'pipe', 'ignore'], env: {...process.env, HAWSER_CONFIG_DIR: join(home, 'config')}},
);
const plain = spawn('cargo', [...cargo, 'plain'], {stdio: ['pipe', 'pipe', 'inherit']});
try {
  const [ticket] = await once(createInterface(receiver.stdout), 'line');
  const [plainPort] = await once(createInterface(plain.stdout), 'line');
  await round(ticket);
  console.log(
    'flood     quiet  flooded  beside |  to quiet  to beside | receiver: more memory, CPU | flooder',
  );
  for (const [kind, perSecond] of Object.entries(floods)) {
    const seen = {quiet: [], flooded: [], beside: []};
    for (let number = 0; number < rounds; number++) {
      seen.quiet.push(await round(ticket));
      seen.flooded.push(await round(ticket, [kind, 0, sources, perSecond, ticket]));
      seen.beside.push(await round(ticket, [kind, plainPort, sources, perSecond, ticket]));
    }
    report(kind, seen);
  }
} finally {
  receiver.kill('SIGKILL');
  plain.stdin.end();
  plain.kill('SIGKILL');
  await rm(home, {recursive: true, force: true});
}

/** One transfer; once it runs, a flood of this kind, from the start of which on everything is measured. */
async function round(to, flood) {
  const transfer = send([source], {to, lanes: 4, ...(values.limit && {limit: values.limit})});
  const ended = transfer.finished();
  let latest = {lanes: 0, bytesDone: 0};
  const followed = (async () => {
    for await (const progress of transfer.progress(10)) latest = progress;
  })();
  while (latest.lanes < 4) await setTimeout(1);
  const flooder =
    flood && spawn('cargo', [...cargo, ...flood.map(String)], {stdio: ['pipe', 'pipe', 'inherit']});
  await setTimeout(500);
  const before = {cpu: cpuMs(receiver.pid), bytes: latest.bytesDone};
  const over = new AbortController();
  const watched = watch(over.signal);
  const begun = performance.now();
  await Promise.all([ended, followed]);
  const seconds = (performance.now() - begun) / 1000;
  over.abort();
  const result = {
    rate: (mebibytes * 2 ** 20 - before.bytes) / 1e6 / seconds,
    seconds,
    cpu: (cpuMs(receiver.pid) - before.cpu) / seconds,
    bytes: await watched,
  };
  if (flooder) {
    flooder.stdin.end();
    const [line] = await once(createInterface(flooder.stdout), 'line');
    Object.assign(result, JSON.parse(line));
  }
  await rm(join(inbox, 'file'));
  return result;
}

/** The most memory that the receiver has meanwhile. */
async function watch(signal) {
  let most = 0;
  try {
    for await (const _ of setInterval(20, undefined, {signal})) {
      const status = readFileSync(`/proc/${receiver.pid}/status`, 'utf8');
      most = Math.max(most, Number(/VmRSS:\s+(\d+)/.exec(status)[1]) * 1024);
    }
  } catch (error) {
    if (error.name !== 'AbortError') throw error;
  }
  return most;
}

function report(kind, {quiet, flooded, beside}) {
  const ratios = (others) => median(flooded.map((result, number) => result.rate / others[number].rate));
  const connections = median(flooded.map((result) => result.connections));
  console.log(
    [
      kind.padEnd(8),
      rate(quiet).toFixed(0).padStart(6),
      rate(flooded).toFixed(0).padStart(8),
      rate(beside).toFixed(0).padStart(7),
      ' | ',
      ratios(quiet).toFixed(2).padStart(8),
      ratios(beside).toFixed(2).padStart(9),
      ' | ',
      `${((peak(flooded) - peak(quiet)) / 2 ** 20).toFixed(1)} MiB`.padStart(12),
      `${(cpu(flooded) / 10).toFixed(0)} %, ${(cpu(quiet) / 10).toFixed(0)} % quiet`.padStart(18),
      `| ${connections} connections, flooder ${median(flooded.map(({cpuMs: ms}) => ms))} ms`,
    ].join(' '),
  );
}

function rate(results) {
  return median(results.map((result) => result.rate));
}

function cpu(results) {
  return median(results.map((result) => result.cpu));
}

function peak(results) {
  return Math.max(...results.map((result) => result.bytes));
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
}

/** What a process has used of the processors, in milliseconds. */
function cpuMs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
