// How figures are written.

export const text = {
  seconds: (value: number): string => `${value.toFixed(value < 1 ? 3 : 2)} s`,
  /** Decimal megabytes, as disks and networks count. */
  rate: (bytesPerSecond: number): string => (bytesPerSecond / 1e6).toFixed(bytesPerSecond < 100e6 ? 1 : 0),
  count: (value: number, noun?: string): string => {
    const digits = Math.round(value).toLocaleString('en-US');
    return noun ? `${digits} ${noun}${value === 1 ? '' : 's'}` : digits;
  },
  mebibytes: (bytes: number): string => (bytes / 2 ** 20).toFixed(0),
  ratio: (value: number): string => value.toFixed(2),
};
