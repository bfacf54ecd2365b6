import type {NativePartFile} from './native.ts';

/** What a folder that was received into holds of an unfinished file, or something else that is kept there. */
export type PartFile = KnownPartFile | UnknownPartFile;

interface PartFileBase {
  /** Its name in the folder's `.hawser/partials`; bytes that are not UTF-8 are replaced. Not for display as it is. */
  readonly name: string;
  /** Bytes that it takes on the disk, those included that were allocated beforehand. */
  readonly bytesOnDisk: number;
  /** When something was last written to it. */
  readonly lastWritten: Date;
  /** Whether a session is writing it. */
  readonly inUse: boolean;
}

/** A part of a file. When the same peer sends the same version of it again, only the rest is transferred. */
export interface KnownPartFile extends PartFileBase {
  readonly kind: 'part';
  /**
   * Of the file, relative to the folder, separated by `/`; bytes that are not UTF-8 are replaced. Not for display as it
   * is.
   */
  readonly path: string;
  /** Bytes of the whole file. */
  readonly size: number;
  /** Bytes that are here: at most `size`, and less than were received while a session is writing it. */
  readonly bytesHeld: number;
  /** Of the key of the peer that sends it, as in {@link Peer.fingerprint}. */
  readonly fingerprint: string;
}

/** What nothing tells of what it is a part of. No session goes on with it, but one may just be beginning it. */
export interface UnknownPartFile extends PartFileBase {
  readonly kind: 'unknown';
}

/** @internal */
export function toPartFile({name, bytesOnDisk, writtenMs, inUse, of}: NativePartFile): PartFile {
  const base = {name, bytesOnDisk, lastWritten: new Date(writtenMs), inUse};
  if (!of) return {kind: 'unknown', ...base};
  const {path, size, held, fingerprint} = of;
  return {kind: 'part', ...base, path, size, bytesHeld: held, fingerprint};
}
