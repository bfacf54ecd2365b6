/** Each has a package with a binary, whose name ends like this. */
const platforms = [
  'darwin-arm64',
  'darwin-x64',
  'linux-arm64-gnu',
  'linux-arm64-musl',
  'linux-x64-gnu',
  'linux-x64-musl',
  'win32-arm64-msvc',
  'win32-x64-msvc',
];

/**
 * What is wrong, and what to do, when the loader has found no binary that loads. Its error has each of its attempts as the
 * cause of another, and says of all of them that npm is at fault.
 * @internal
 */
export function explainLoadFailure(error: unknown, machine: string): string {
  const attempts = attemptsOf(error);
  const failed = attempts.find((attempt) => !isMissing(attempt) && !/^Unsupported (?:OS|arch)/.test(attempt));
  if (failed !== undefined) {
    return (
      `the native binary for ${machine} does not load: ${failed}. Install hawser again on this machine, which must be one ` +
      `that its README names`
    );
  }
  const platform = platforms.find((name) => attempts.some((attempt) => attempt.includes(`native-${name}'`)));
  if (platform === undefined) {
    return `there is no binary of hawser for ${machine}, but for ${platforms.join(', ')}`;
  }
  return (
    `the package @hawser/native-${platform}, which has hawser's binary for this machine, is not installed: install hawser ` +
    `again on this machine, without --omit=optional (in a clone, run "npm run build:native")`
  );
}

/** The first line of what each attempt came to, but for that to find a binary for WebAssembly: there is none. */
function attemptsOf(error: unknown): string[] {
  const attempts = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const [line = ''] = cause.message.split('\n');
    if (!/^Cannot find native binding|wasi/.test(line)) attempts.push(line);
  }
  return attempts;
}

/** Whether nothing was found in one of the places where the loader looks by itself. */
function isMissing(attempt: string): boolean {
  return /^Cannot find module '(?:\.\/hawser\.|@hawser\/native-)/.test(attempt);
}
