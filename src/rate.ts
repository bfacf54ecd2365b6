/**
 * A rate in bytes a second, smoothed exponentially over a few seconds: steady enough to read, quick enough to show
 * that a line has slowed down.
 */
export class RateMeter {
  #bytes = 0;
  #atMs = 0;
  /** The decaying sums of bytes and of seconds; their quotient has no bias at the start, unlike a plain average. */
  #sumBytes = 0;
  #sumSeconds = 0;

  /** Takes the counters as they stand; gives the rate. */
  measure(bytes: number, atMs: number): number {
    const seconds = (atMs - this.#atMs) / 1000;
    if (seconds > 0) {
      const decay = Math.exp(-seconds / spanSeconds);
      this.#sumBytes = this.#sumBytes * decay + (bytes - this.#bytes);
      this.#sumSeconds = this.#sumSeconds * decay + seconds;
      this.#bytes = bytes;
      this.#atMs = atMs;
    }
    return this.#sumSeconds > 0 ? Math.max(0, this.#sumBytes / this.#sumSeconds) : 0;
  }
}

const spanSeconds = 3;
