import {execFileSync, spawnSync} from 'node:child_process';
import {mkdirSync, rmSync, truncateSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';

/** The file systems that can be shut down as if power had failed. */
export const systems = ['ext4', 'xfs'] as const;
export type System = (typeof systems)[number];

/** The smallest that mkfs.xfs makes; hardly any of it is written. */
const imageBytes = 300 * 2 ** 20;

/** A disk of its own for a test: a file on a loop device, gone after the test. */
export class Image {
  /** Where it is mounted. */
  readonly path: string;
  readonly #file: string;

  constructor(t: ExecutionContext, parent: string, system: System) {
    this.path = join(parent, system);
    this.#file = `${this.path}.image`;
    mkdirSync(this.path);
    writeFileSync(this.#file, '');
    truncateSync(this.#file, imageBytes);
    execFileSync(`mkfs.${system}`, ['-q', this.#file]);
    t.teardown(() => {
      // Lazily, should something still have a file open: the loop device goes when the last one is closed.
      spawnSync('umount', ['--lazy', this.path]);
      rmSync(this.#file, {force: true});
    });
    this.mount();
  }

  mount(): void {
    execFileSync('mount', ['-o', 'loop', this.#file, this.path]);
  }

  unmount(): void {
    execFileSync('umount', [this.path]);
  }

  /** Makes what was done to it so far last, whatever happens. */
  flush(): void {
    execFileSync('sync', ['--file-system', this.path]);
  }
}

/** Why there can be no such disk here, if so. */
export function lacks(system: System): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  if (spawnSync(`mkfs.${system}`, ['-V']).status !== 0) return `needs mkfs.${system}`;
  // A container may have the programs and no devices.
  const {status, stderr} = spawnSync('losetup', ['--find'], {encoding: 'utf8'});
  return status === 0 ? undefined : `needs loop devices: ${stderr.trim()}`;
}
