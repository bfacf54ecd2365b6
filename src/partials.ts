import * as native from './native.ts';
import {toPartFile, type PartFile} from './part-file.ts';
import {toPathBytes, type FilePath} from './path.ts';
import {integer} from './session.ts';

/** What {@link removePartials} takes. */
export interface RemovePartialsOptions {
  /** Only those that were last written so many milliseconds ago, or longer: 0 or more. Default: 0, all of them. */
  readonly olderThanMs?: number | undefined;
}

/** What {@link removePartials} did. */
export interface PartialsRemoval {
  /** What is gone, as it was. */
  readonly removed: readonly PartFile[];
  /** What was to be removed and is still there. */
  readonly remaining: readonly RemainingPartFile[];
}

/** A part file that was to be removed. */
export interface RemainingPartFile {
  /** What it is. With `inUse` set, that is why it is still there. */
  readonly file: PartFile;
  /** Why it is still there, for people. */
  readonly message: string;
}

/**
 * Lists what sessions have left of unfinished files in a folder, or are writing just now: in order of their paths,
 * those of unknown files last. Changes nothing. Rejects with a {@link HawserError}: `NOT_FOUND` when there is no such
 * folder, `PERMISSION_DENIED`, `IO`, `INVALID_OPTION`, `NATIVE_LOAD`.
 */
export async function partials(directory: FilePath): Promise<readonly PartFile[]> {
  const found = await native.partials(toPathBytes(directory));
  return found.map(toPartFile);
}

/**
 * Removes what sessions have left of unfinished files in a folder: what no session is writing. When they are sent again,
 * they are sent from their beginning. Rejects as {@link partials} does; one that cannot be removed is in `remaining`.
 */
export async function removePartials(
  directory: FilePath,
  {olderThanMs = 0}: RemovePartialsOptions = {},
): Promise<PartialsRemoval> {
  const idleMs = integer('age of part files', olderThanMs, 0, Number.MAX_SAFE_INTEGER);
  const {removed, remaining} = await native.removePartials(toPathBytes(directory), idleMs);
  return {
    removed: removed.map(toPartFile),
    remaining: remaining.map(({file, message}) => ({file: toPartFile(file), message})),
  };
}
