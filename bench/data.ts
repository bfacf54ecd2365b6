import {createCipheriv, type Cipher} from 'node:crypto';
import {mkdirSync, readdirSync, statSync} from 'node:fs';
import {open, writeFile} from 'node:fs/promises';
import {dirname, join, resolve} from 'node:path';

/** What one run sends. */
export interface Data {
  /** Files or folders, each for a sender of its own. */
  readonly shares: readonly string[];
  readonly files: number;
  readonly bytes: number;
}

/** One file of `bytes` bytes. */
export async function oneFile(folder: string, bytes: number): Promise<Data> {
  const path = join(folder, 'large.bin');
  await writeLarge(path, bytes, randomBytes('large'));
  return {shares: [path], files: 1, bytes};
}

/** Files of 4 KiB, a hundred to a folder. */
export async function manyFiles(folder: string, files: number): Promise<Data> {
  const root = join(folder, 'small');
  const random = randomBytes('small');
  for (let index = 0; index < files; index++) {
    await writeInside(
      join(root, number(index / 100), number(index)),
      random.update(zeros.subarray(0, small)),
    );
  }
  return {shares: [root], files, bytes: files * small};
}

/**
 * A tree like those of real projects: sizes follow a log-normal distribution, with a median of 4 KiB and at most 256
 * MiB; the rest of `bytes` comes as one file.
 */
export async function mixedTree(folder: string, bytes: number): Promise<Data> {
  const root = join(folder, 'mixed');
  const random = randomBytes('mixed');
  let [files, left] = [0, bytes];
  for (; left > 0; files++) {
    const size = Math.min(left, maxMixed, Math.floor(small * Math.exp(2.5 * normal(random))));
    const path = join(root, number(files / 1000), number(files / 20), number(files));
    mkdirSync(dirname(path), {recursive: true});
    await writeLarge(path, size, random);
    left -= size;
  }
  return {shares: [root], files, bytes};
}

/** A file of 16 MiB for each of so many senders. */
export async function filePerSender(folder: string, senders: number): Promise<Data> {
  const random = randomBytes('senders');
  const bytes = 16 * 2 ** 20;
  const shares = Array.from({length: senders}, (_, index) => join(folder, `sender-${number(index)}.bin`));
  for (const path of shares) await writeLarge(path, bytes, random);
  return {shares, files: senders, bytes: senders * bytes};
}

/** What is there already. */
export function existing(path: string): Data {
  const root = resolve(path);
  if (statSync(root).isFile()) return {shares: [root], files: 1, bytes: statSync(root).size};
  const entries = readdirSync(root, {recursive: true, withFileTypes: true}).filter((entry) => entry.isFile());
  const sizes = entries.map((entry) => statSync(join(entry.parentPath, entry.name)).size);
  return {shares: [root], files: sizes.length, bytes: sizes.reduce((total, size) => total + size, 0)};
}

const small = 4096;
const maxMixed = 256 * 2 ** 20;
const zeros = Buffer.alloc(2 ** 20);

/** The keystream of a cipher under a fixed key: looks random, compresses not at all, and is the same every time. */
function randomBytes(seed: string): Cipher {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16));
}

/** A number of the standard normal distribution, after Box and Muller. */
function normal(random: Cipher): number {
  const bytes = random.update(zeros.subarray(0, 8));
  const [one, other] = [bytes.readUInt32LE(0), bytes.readUInt32LE(4)].map((word) => (word + 1) / 2 ** 32) as [
    number,
    number,
  ];
  return Math.sqrt(-2 * Math.log(one)) * Math.cos(2 * Math.PI * other);
}

async function writeLarge(path: string, bytes: number, random: Cipher): Promise<void> {
  const file = await open(path, 'wx');
  for (let left = bytes; left > 0; left -= zeros.length) {
    await file.writeFile(random.update(zeros.subarray(0, left)));
  }
  await file.close();
}

async function writeInside(path: string, content: Buffer): Promise<void> {
  mkdirSync(dirname(path), {recursive: true});
  await writeFile(path, content);
}

function number(value: number): string {
  return Math.floor(value).toString().padStart(6, '0');
}
