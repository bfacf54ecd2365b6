/**
 * Milliseconds from `90s`, `10m`, `1h30m`, `1.5h`, `7d` or a number of seconds; Infinity from `forever`; undefined for
 * anything else, also for more milliseconds than can be counted.
 */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim().toLowerCase();
  if (trimmed === 'forever') return Infinity;
  const [matched, days, hours, minutes, seconds] = units.exec(trimmed) ?? plain.exec(trimmed) ?? [];
  if (!matched) return undefined;
  const [d, h, m, s] = [days, hours, minutes, seconds].map((count) => Number(count ?? 0)) as Parts;
  const milliseconds = Math.round((((d * 24 + h) * 60 + m) * 60 + s) * 1000);
  return Number.isSafeInteger(milliseconds) ? milliseconds : undefined;
}

type Parts = [days: number, hours: number, minutes: number, seconds: number];

const number = String.raw`(\d+(?:\.\d+)?)`;
const units = new RegExp(`^(?:${number}d)?(?:${number}h)?(?:${number}m)?(?:${number}s)?$`);
const plain = new RegExp(`^()()()${number}$`);
