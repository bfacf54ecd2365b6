/** What was thrown on the way into the binding, which only numbers can pass: by the number that stands for it. */
const causes = new Map<number, unknown>();
let last = 0;

/** Of transfers that nobody has asked about, the causes of so many are kept. */
const maxCauses = 64;

/**
 * The number that stands for something that was thrown, until it is taken.
 * @internal
 */
export function keepCause(thrown: unknown): number {
  const [oldest] = causes.keys();
  if (oldest !== undefined && causes.size >= maxCauses) causes.delete(oldest);
  last = (last + 1) >>> 0;
  causes.set(last, thrown);
  return last;
}

/**
 * What a number stands for, as options of an error.
 * @internal
 */
export function takeCause(number: number | undefined): {cause?: unknown} {
  if (number === undefined || !causes.has(number)) return {};
  const cause = causes.get(number);
  causes.delete(number);
  return {cause};
}
