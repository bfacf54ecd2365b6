import {lstat, open, readdir, readlink} from 'node:fs/promises';
import {join} from 'node:path';

/** Compares two files, folders or links: bytes, modes, times and link targets. Tells what differs, and how much it saw. */
export async function compareTrees(expected, actual) {
  const result = {files: 0, folders: 0, links: 0, bytes: 0, differences: []};
  await compare(expected, actual, result);
  return result;
}

async function compare(expected, actual, result) {
  const differ = (what) => result.differences.push(`${actual} ${what}`);
  const [want, have] = await Promise.all([stat(expected), stat(actual)]);
  if (!want) return differ('was never sent');
  if (!have) return differ('is missing');
  if (want.mode !== have.mode)
    return differ(`has mode ${have.mode.toString(8)}, not ${want.mode.toString(8)}`);

  if (want.isSymbolicLink()) {
    result.links++;
    if ((await readlink(expected)) !== (await readlink(actual))) differ('leads elsewhere');
    return;
  }
  if (want.mtimeNs !== have.mtimeNs) differ('has another time of modification');
  if (want.isDirectory()) {
    result.folders++;
    const names = new Set([...(await readdir(expected)), ...(await readdir(actual))]);
    for (const name of names) await compare(join(expected, name), join(actual, name), result);
  } else {
    result.files++;
    result.bytes += Number(want.size);
    if (!(await sameBytes(expected, actual))) differ('has other bytes');
  }
}

async function stat(path) {
  return lstat(path, {bigint: true}).catch((error) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

async function sameBytes(expected, actual) {
  const files = [await open(expected), await open(actual)];
  const buffers = files.map(() => Buffer.allocUnsafe(1 << 20));
  try {
    for (;;) {
      const reads = await Promise.all(files.map((file, side) => file.read(buffers[side])));
      const [want, have] = reads.map(({bytesRead, buffer}) => buffer.subarray(0, bytesRead));
      if (!want.equals(have)) return false;
      if (want.length === 0) return true;
    }
  } finally {
    for (const file of files) await file.close();
  }
}
