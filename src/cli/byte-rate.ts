/** Bytes a second from what {@link parseByteCount} takes, and `353 MB/s`. */
export function parseByteRate(text: string): number | undefined {
  return parseByteCount(text.trim().replace(/\/s$/i, ''));
}

/**
 * Bytes from `200M`, `1.5M`, `64KiB`, `1000000` or `353 MB`: K, M and G are powers of 1000, as bytes are printed, Ki, Mi
 * and Gi of 1024; the rest of the unit may be left out. Rounded to whole bytes; undefined for anything else.
 */
export function parseByteCount(text: string): number | undefined {
  const [matched, digits, prefix, binary] = /^(\d+(?:\.\d+)?) ?(?:([kmg])(i?))?b?$/i.exec(text.trim()) ?? [];
  if (matched === undefined) return undefined;
  const power = prefix ? 'kmg'.indexOf(prefix.toLowerCase()) + 1 : 0;
  return Math.round(Number(digits) * (binary ? 1024 : 1000) ** power);
}
