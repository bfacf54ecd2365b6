import {mkdirSync, mkdtempSync, rmSync} from 'node:fs';
import {join, resolve} from 'node:path';
import type {ExecutionContext} from 'ava';

/** A folder of its own for a test, on the disk of the clone, gone after the test. */
export function makeFolder(t: ExecutionContext): string {
  const parent = resolve('build/tmp');
  mkdirSync(parent, {recursive: true});
  const folder = mkdtempSync(join(parent, 'test-'));
  t.teardown(() => rmSync(folder, {recursive: true, force: true, maxRetries: 3}));
  return folder;
}
