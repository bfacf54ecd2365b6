// `npm run soak`: many senders at once, each killed at random times and started again, into one receiver. Every tree must
// arrive as it was sent, and the receiver's memory, descriptors and threads must not grow.
import {spawn} from 'node:child_process';
import {createCipheriv, randomInt} from 'node:crypto';
import {once} from 'node:events';
import {appendFileSync, readFileSync, readdirSync} from 'node:fs';
import {mkdir, mkdtemp, rm, symlink, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {setTimeout} from 'node:timers/promises';
import {parseArgs} from 'node:util';
import {compareTrees} from './compare-trees.mjs';

const {values} = parseArgs({
  options: {
    senders: {type: 'string', default: '200'},
    minutes: {type: 'string', default: '30'},
    help: {type: 'boolean', default: false},
  },
});
const [senders, minutes] = [Number(values.senders), Number(values.minutes)];
if (values.help || !(senders > 0) || !(minutes > 0)) {
  console.log(
    'npm run soak -- [--senders 200] [--minutes 30]; needs Linux and about 60 MB of memory for each sender',
  );
  process.exit(values.help ? 0 : 2);
}

/** How often the receiver is looked at. */
const sampleMs = minutes * 600;
/** What a heap may have more of at the end than in the second quarter without growing. */
const [slackFactor, slackBytes] = [1.25, 16 * 2 ** 20];
/** How long the last sessions may take to be forgotten. */
const patienceMs = 90_000;

const count = {trees: 0, bytes: 0, kills: 0, failures: 0, losses: []};
/** How long transfers took that nobody killed: kills come within that time. */
const durations = [1000];

await mkdir('build', {recursive: true});
const home = await mkdtemp('build/soak-');
const inbox = join(home, 'inbox');
const receiver = hawser(['receive', inbox, '--bind', '127.0.0.1', '--port', '0', '--quiet']);
try {
  const [ticket] = await once(createInterface(receiver.stdout), 'line');
  const before = look();
  const deadline = performance.now() + minutes * 60_000;
  const samples = [];
  const sampling = sample(samples, deadline);
  await Promise.all(Array.from({length: senders}, (_, sender) => sendUntil(deadline, sender, ticket)));
  await sampling;
  await judge(before, samples);
} finally {
  receiver.kill('SIGKILL');
  await rm(home, {recursive: true, force: true});
}
for (const loss of count.losses.slice(0, 20)) console.error(loss);
const row = {
  test: 'soak',
  fault: 'sender killed at random, many at a time',
  runs: count.kills,
  losses: count.losses.length,
};
appendFileSync('build/faults.jsonl', `${JSON.stringify(row)}\n`);
if (count.losses.length > 0) process.exitCode = 1;

/** One sender after the other, each with a tree of its own, until the time is over. */
async function sendUntil(deadline, sender, ticket) {
  for (let number = 0; performance.now() < deadline; number++) {
    const name = `sender-${sender}-${number}`;
    const tree = join(home, name);
    await writeTree(tree);
    await deliver(tree, ticket);
    const {bytes, differences} = await compareTrees(tree, join(inbox, name));
    count.losses.push(...differences);
    count.trees++;
    count.bytes += bytes;
    for (const done of [tree, join(inbox, name)]) await rm(done, {recursive: true});
  }
}

/** Starts a sender again and again, and kills it at a random time, until one gets to its end. */
async function deliver(tree, ticket) {
  for (let attempt = 1; ; attempt++) {
    const begun = performance.now();
    const child = hawser(['send', tree, '--to', ticket]);
    const ended = once(child, 'exit');
    // Nobody is unlucky for ever.
    const over = new AbortController();
    const killed = attempt < 10 && randomInt(3) > 0 ? killLater(child, over.signal) : undefined;
    const [code, signal] = await ended;
    over.abort();
    await killed;
    if (signal === 'SIGKILL') {
      count.kills++;
    } else if (code === 0) {
      durations[durations.length < 100 ? durations.length : randomInt(100)] = performance.now() - begun;
      return;
    } else {
      // It may have been turned away by a receiver that is busy with others; but not again and again.
      count.failures++;
      if (attempt > 100) throw new Error(`${tree} cannot be sent: exit code ${code}`);
    }
  }
}

/** Kills a sender at any time, sooner more often than later, or as soon as it says a word. */
async function killLater(child, signal) {
  const usual = durations[randomInt(durations.length)];
  try {
    if (randomInt(4) > 0) await setTimeout(usual ** Math.random(), undefined, {signal});
    else await once(child.stderr, 'data', {signal});
    child.kill('SIGKILL');
  } catch (error) {
    if (error.name !== 'AbortError') throw error;
  }
}

/** A few files of all sizes, some past the page cache, and a link. */
async function writeTree(tree) {
  await mkdir(join(tree, 'folder'), {recursive: true});
  const key = Buffer.alloc(16, tree);
  const sizes = [0, 1, randomInt(1000), randomInt(300_000), randomInt(20) === 0 ? 2_000_000 : 5000];
  for (const [number, size] of sizes.entries()) {
    const bytes = createCipheriv('aes-128-ctr', key, Buffer.alloc(16, number)).update(Buffer.alloc(size));
    await writeFile(join(tree, number % 2 === 0 ? `${number}` : `folder/${number}`), bytes);
  }
  await symlink('folder/1', join(tree, 'link'));
}

/** What the receiver occupies at the moment. */
function look() {
  const status = readFileSync(`/proc/${receiver.pid}/status`, 'utf8');
  return {
    bytes: Number(/VmRSS:\s+(\d+)/.exec(status)[1]) * 1024,
    threads: Number(/Threads:\s+(\d+)/.exec(status)[1]),
    descriptors: readdirSync(`/proc/${receiver.pid}/fd`).length,
  };
}

async function sample(samples, deadline) {
  while (performance.now() < deadline) {
    const now = look();
    samples.push(now);
    if (samples.length % 10 === 0) console.log(`${tell()}; receiver: ${describe(now)}`);
    await setTimeout(sampleMs);
  }
}

function median(samples) {
  return samples.map(({bytes}) => bytes).toSorted((a, b) => a - b)[samples.length >> 1];
}

/** Growth counts as a loss. */
async function judge(before, samples) {
  const quarter = Math.floor(samples.length / 4);
  const [early, late] = [median(samples.slice(quarter, 2 * quarter)), median(samples.slice(-quarter))];
  if (late > early * slackFactor + slackBytes)
    count.losses.push(`memory grew from ${early} to ${late} bytes`);

  const patience = performance.now() + patienceMs;
  let after = look();
  while (after.descriptors > before.descriptors || after.threads > before.threads) {
    if (performance.now() > patience) {
      count.losses.push(`left behind: ${describe(after)}, at first ${describe(before)}`);
      break;
    }
    await setTimeout(100);
    after = look();
  }
  const left = readdirSync(inbox);
  if (left.some((name) => name !== '.hawser')) count.losses.push(`left in the folder: ${left.join(' ')}`);
  console.log(`${tell()}; receiver at first: ${describe(before)}; at the end: ${describe(after)}`);
}

function tell() {
  const {trees, bytes, kills, failures, losses} = count;
  const sent = `${trees} trees, ${(bytes / 1e6).toFixed(0)} MB, ${kills} kills`;
  return `${sent}, ${failures} other failures, ${losses.length} losses`;
}

function describe({bytes, threads, descriptors}) {
  return `${(bytes / 1e6).toFixed(0)} MB, ${threads} threads, ${descriptors} descriptors`;
}

function hawser(args) {
  const child = spawn(process.execPath, ['dist/cli/main.js', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // The key of whoever runs this is none of its business.
    env: {...process.env, HAWSER_CONFIG_DIR: join(home, 'config')},
  });
  child.stdout.resume();
  child.stderr.resume();
  return child;
}
