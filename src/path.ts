import {fileURLToPath} from 'node:url';
import {HawserError} from './errors.ts';

/**
 * Where a file or folder is: a path, a `file:` URL, or the bytes of a path, for names on Unix that are not UTF-8.
 * Relative paths start at the current working directory.
 */
export type FilePath = string | URL | Uint8Array;

/** The bytes of a path, as the file system holds them on Unix and as UTF-8 elsewhere. */
export function toPathBytes(path: FilePath): Uint8Array {
  const bytes = encode(path);
  if (bytes.length === 0) throw new HawserError('INVALID_OPTION', 'a path is empty');
  if (bytes.includes(0)) throw new HawserError('INVALID_OPTION', 'a path contains a zero byte');
  return bytes;
}

function encode(path: FilePath): Uint8Array {
  if (typeof path === 'string') return Buffer.from(path);
  if (path instanceof Uint8Array) return path;
  try {
    return Buffer.from(fileURLToPath(path));
  } catch (cause) {
    throw new HawserError('INVALID_OPTION', 'a path is neither a string, nor a file: URL, nor bytes', {
      cause,
    });
  }
}
