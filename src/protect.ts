import {protectMemory as protect} from './native.ts';

/**
 * Keeps keys and tickets in the memory of this process from others: no core dump of it is written, and on Linux no
 * other process of the same user can trace it or read its memory and environment from then on. The command does this
 * at its start. A program that uses this package decides for itself: it cannot be undone, debuggers and profilers
 * that attach are kept out, too, and files under `/proc/<pid>` belong to root. Without effect on Windows. Throws a
 * HawserError.
 */
export function protectMemory(): void {
  protect();
}
