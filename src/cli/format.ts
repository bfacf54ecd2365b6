/** `1,204`; not by `toLocaleString`, which takes 7 ms to load its tables. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ',');
}

/** `1 file`, `1,204 files` */
export function formatFiles(files: number): string {
  return `${formatCount(files)} ${files === 1 ? 'file' : 'files'}`;
}

/** `1.2 GB`, in powers of 1000 as line rates and disks are sold. */
export function formatBytes(bytes: number): string {
  // Rounded before it is compared: 999,999 bytes are 1 MB, not 1000 kB.
  let unit = 0;
  while (scaled(bytes, unit) >= 1000 && unit < units.length - 1) unit++;
  return `${scaled(bytes, unit)} ${units[unit]}`;
}

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** To three digits. */
function scaled(bytes: number, unit: number): number {
  return Number((bytes / 1000 ** unit).toPrecision(3));
}

/** `353 MB/s` */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(Math.round(bytesPerSecond))}/s`;
}

/** `3.4 s` below a minute, `2:05` and `1:02:05` from there. */
export function formatDuration(milliseconds: number): string {
  return milliseconds < 60_000 ? `${(milliseconds / 1000).toFixed(1)} s` : formatClock(milliseconds);
}

/** `0:14`, `2:05`, `1:02:05`; rounded up, so that it reaches zero at the end. */
export function formatClock(milliseconds: number): string {
  const total = Math.ceil(milliseconds / 1000);
  const [hours, minutes, seconds] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const parts = hours > 0 ? [hours, pad(minutes), pad(seconds)] : [minutes, pad(seconds)];
  return parts.join(':');
}

/** `just now` below a second, `1 minute ago`, `3 hours ago`, `400 days ago`; rounded down. */
export function formatAge(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  for (const [unit, length] of ages) {
    const count = Math.floor(seconds / length);
    if (count > 0) return `${formatCount(count)} ${unit}${count === 1 ? '' : 's'} ago`;
  }
  return 'just now';
}

const ages = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
] as const;

function pad(number: number): string {
  return String(number).padStart(2, '0');
}
