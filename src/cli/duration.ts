/**
 * Milliseconds from `90s`, `10m`, `1h30m`, `1.5h` or a number of seconds; Infinity from `forever`; undefined for
 * anything else.
 */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim().toLowerCase();
  if (trimmed === 'forever') return Infinity;
  const [matched, hours, minutes, seconds] = units.exec(trimmed) ?? plain.exec(trimmed) ?? [];
  if (!matched) return undefined;
  const total = Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0);
  return Math.round(total * 1000);
}

const number = String.raw`(\d+(?:\.\d+)?)`;
const units = new RegExp(`^(?:${number}h)?(?:${number}m)?(?:${number}s)?$`);
const plain = new RegExp(`^()()${number}$`);
