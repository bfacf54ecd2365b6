// `npm run demo`: a receiver and a sender, two processes as a user would start them, move this clone's node_modules
// and a file of 1 GiB over TCP, encrypted; then everything is compared.
import {spawn} from 'node:child_process';
import {createCipheriv} from 'node:crypto';
import {once} from 'node:events';
import {createWriteStream} from 'node:fs';
import {mkdir, mkdtemp, rm} from 'node:fs/promises';
import {basename, join} from 'node:path';
import {createInterface} from 'node:readline';
import {Readable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {compareTrees} from './compare-trees.mjs';

// Inside the clone: a temporary folder of the system may be kept in memory and would flatter the rates.
await mkdir('build', {recursive: true});
const folder = await mkdtemp('build/demo-');
try {
  await demo();
} finally {
  await rm(folder, {recursive: true});
}

async function demo() {
  const inbox = join(folder, 'inbox');
  const big = join(folder, 'random.bin');
  const paths = ['node_modules', big];

  tell('Writing a file of 1 GiB: pseudo-random bytes from a fixed seed.');
  await pipeline(pseudoRandom(2 ** 30), createWriteStream(big));

  tell('Starting a receiver; it prints its ticket.');
  const receiver = hawser(['receive', inbox, '--bind', '127.0.0.1', '--port', '0'], {});
  const [ticket] = await once(createInterface(receiver.stdout), 'line');

  for (const path of paths) {
    tell(`Sending ${path} from a process of its own.`);
    const [code] = await once(hawser(['send', path], {HAWSER_TICKET: ticket}), 'exit');
    if (code !== 0) throw new Error(`the sender ended with exit code ${code}`);
  }
  tell('Ending the receiver as Ctrl-C does.');
  receiver.kill('SIGINT');
  await once(receiver, 'exit');

  tell('Comparing what arrived with what was sent: every byte, modes, times and links.');
  for (const path of paths) await verify(path, join(inbox, basename(path)));

  tell(
    'All of it is the same. Both processes ran on this machine and shared its cores and its disk: the rates above',
  );
  console.log('include reading and writing files, and say nothing about a network.');
}

function hawser(args, environment) {
  return spawn(process.execPath, ['dist/cli/main.js', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // It leaves no key in the user's home.
    env: {...process.env, HAWSER_CONFIG_DIR: folder, ...environment},
  });
}

async function verify(sent, arrived) {
  const {files, folders, links, bytes, differences} = await compareTrees(sent, arrived);
  console.log(`${sent}: ${files} files, ${folders} folders, ${links} links, ${bytes} bytes`);
  if (differences.length > 0)
    throw new Error(`${differences.length} differences:\n${differences.slice(0, 20).join('\n')}`);
}

/** The keystream of a cipher under a fixed key: bytes that look random and are the same every time. */
function pseudoRandom(bytes) {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 'hawser'), Buffer.alloc(16));
  const zeros = Buffer.alloc(2 ** 20);
  return Readable.from(
    (function* () {
      for (let left = bytes; left > 0; left -= zeros.length) yield cipher.update(zeros.subarray(0, left));
    })(),
  );
}

function tell(text) {
  console.log(`\n== ${text}`);
}
