import type {EntryErrorCode} from './errors.ts';
import type {NativeEntry} from './native.ts';

/** What became of one file, folder or link. */
export type Entry = DeliveredEntry | PresentEntry | FailedEntry;

interface EntryBase {
  /** Relative to the sink's folder, separated by `/`; bytes that are not UTF-8 are replaced. Not for display as it is. */
  readonly path: string;
  /** `other` is what is none of these, and is never sent. */
  readonly kind: 'file' | 'folder' | 'link' | 'other';
  /** Bytes of a file; 0 for the rest. */
  readonly size: number;
}

/** An entry that this transfer wrote. */
export interface DeliveredEntry extends EntryBase {
  readonly fate: 'delivered';
  /** The name it was given instead, because something different already had its own. */
  readonly renamedTo: string | undefined;
  /** The BLAKE3 hash of a file, in lower-case hex; undefined for folders and links. */
  readonly hash: string | undefined;
}

/**
 * An entry that was already there: a file with the same size and time of modification, or, once transferred, with the
 * same content; a link with the same target; a folder.
 */
export interface PresentEntry extends EntryBase {
  readonly fate: 'present';
}

/** An entry that was not delivered, while the rest of the transfer went on. */
export interface FailedEntry extends EntryBase {
  readonly fate: 'failed';
  /** Why, stable across versions. */
  readonly code: EntryErrorCode;
  /** Why, for people. */
  readonly message: string;
}

/** @internal */
export function toEntry(native: NativeEntry): Entry {
  const {path, kind, size} = native;
  switch (native.fate) {
    case 'delivered':
      return {path, kind, size, fate: 'delivered', renamedTo: native.renamedTo, hash: native.hash};
    case 'present':
      return {path, kind, size, fate: 'present'};
    case 'failed':
      return {
        path,
        kind,
        size,
        fate: 'failed',
        code: native.code as EntryErrorCode,
        message: native.message ?? '',
      };
  }
}
