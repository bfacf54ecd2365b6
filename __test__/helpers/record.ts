import {mkdir, readdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';

/** The BLAKE3 hash of nothing. */
export const emptyHash = 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262';

/** The names of the records in a folder that was received into, the oldest first. */
export async function listRecords(folder: string): Promise<string[]> {
  return (await readdir(join(folder, '.hawser/records'))).toSorted();
}

/** Puts a record of this text, newer than any, into a folder. */
export async function writeRecord(folder: string, text: string): Promise<void> {
  await mkdir(join(folder, '.hawser/records'), {recursive: true});
  await writeFile(join(folder, '.hawser/records/99991231T235959.999Z-0000000000000000.b3'), text);
}

/** A record that names a file that is not empty as if it were: a verification has to read all of it. */
export async function recordAsEmpty(folder: string, file: string): Promise<void> {
  await writeRecord(folder, `${emptyHash}  ${file}\n`);
}
