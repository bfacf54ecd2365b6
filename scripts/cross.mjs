// How the addon is built for each target from this machine, or why it cannot be.
import {spawnSync} from 'node:child_process';
import {copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync} from 'node:fs';
import {delimiter, join, resolve} from 'node:path';
import {parseTriple} from '@napi-rs/cli';
import {checkGlibc, GLIBC_FLOOR} from './glibc.mjs';

/** The targets of the released packages. */
export const targets = JSON.parse(readFileSync('package.json', 'utf8')).napi.targets;

/** Where built addons are put, each under the name that its package has for it. */
export const ARTIFACTS = 'artifacts';

/** What an addon is called in its package. */
export const addonOf = (target) => `hawser.${parseTriple(target).platformArchABI}.node`;

/** Tells how a target is built here: what runs, and what it is told; or `missing`, which says why it is not. */
export function planFor(target) {
  const {platform, abi} = parseTriple(target);
  if (abi === 'msvc' && process.platform !== 'win32') {
    return {missing: "only Windows has Microsoft's linker and system libraries"};
  }
  const zig = platform === 'linux' || platform !== process.platform;
  if (zig && !succeeds('cargo-zigbuild', ['--version'])) {
    return {missing: 'cargo-zigbuild is not on the PATH: pip install cargo-zigbuild ziglang'};
  }
  const compiler = compilerFor(target);
  if (!compiler) return {missing: `its standard library is not here: rustup target add ${target}`};

  // Linux addons run with the oldest glibc that Node 20 runs with, whatever the machine has that built them.
  const triple = platform === 'linux' && abi === 'gnu' ? `${target}.${GLIBC_FLOOR}` : target;
  const args = ['build', '--release', '--locked', '--package', 'hawser-addon', '--target', triple];
  return {
    command: zig ? 'cargo-zigbuild' : 'cargo',
    args: [...(zig ? ['zigbuild', ...args.slice(1)] : args), '--target-dir', compiler.targetDirectory],
    env: {...compiler.env, ...linkerSettings(target)},
    library: join(compiler.targetDirectory, target, 'release', libraryOf(platform)),
    how: [zig ? 'zig' : "the system's linker", compiler.how].join(', '),
  };
}

/** Builds a target as planned, checks the result, and leaves it in ARTIFACTS. Tells its name and size. */
export function build(target, {command, args, env, library}) {
  const {status, error} = spawnSync(command, args, {env: {...process.env, ...env}, stdio: 'inherit'});
  if (status !== 0) throw new Error(error?.message ?? `${command} ended with exit code ${status}`);
  const {platform, abi} = parseTriple(target);
  if (platform === 'linux' && abi === 'gnu') checkGlibc(library);
  mkdirSync(ARTIFACTS, {recursive: true});
  const file = join(ARTIFACTS, addonOf(target));
  copyFileSync(library, file);
  return {file, bytes: statSync(file).size};
}

/**
 * The compiler that has a target's standard library, or else one that has the library's sources to build it from, as
 * Debian's rustc-web has with rust-web-src.
 */
function compilerFor(target) {
  const compilers = [process.env.RUSTC ?? 'rustc', '/usr/bin/rustc'].filter((rustc) =>
    succeeds(rustc, ['-V']),
  );
  const printed = (rustc, what) =>
    spawnSync(rustc, ['--print', what, '--target', target], {encoding: 'utf8'}).stdout.trim();
  const ready = compilers.find((rustc) => existsSync(printed(rustc, 'target-libdir')));
  if (ready)
    return {how: 'its standard library is installed', env: {RUSTC: ready}, targetDirectory: 'target'};

  const able = compilers.find((rustc) =>
    existsSync(join(printed(rustc, 'sysroot'), 'lib/rustlib/src/rust/library/std')),
  );
  return (
    able && {
      how: 'its standard library is built with it',
      env: {
        RUSTC: able,
        // To build std is unstable: this says that it is meant.
        RUSTC_BOOTSTRAP: '1',
        CARGO_UNSTABLE_BUILD_STD: 'std,panic_unwind',
        // Debian's compiler strips what is for macOS with rust-objcopy, and has none. That of rustup has.
        PATH: [process.env.PATH, toolsOf(compilers[0])].join(delimiter),
      },
      targetDirectory: 'target/build-std',
    }
  );
}

/** The folder of the tools that come with a compiler. */
function toolsOf(rustc) {
  const printed = spawnSync(rustc, ['--print', 'target-libdir'], {encoding: 'utf8'});
  return join(printed.stdout.trim(), '../bin');
}

function linkerSettings(target) {
  const {platform, abi} = parseTriple(target);
  // Rust links musl statically unless told otherwise, and a shared library has to use the libc of its process.
  if (abi === 'musl') {
    return {
      [`CARGO_TARGET_${target.toUpperCase().replaceAll('-', '_')}_RUSTFLAGS`]:
        '-C target-feature=-crt-static',
    };
  }
  return platform === 'win32' && abi !== 'msvc' ? {LIBNODE_PATH: emptyLibnode(target)} : {};
}

/** The folder of a libnode with nothing in it: napi-build wants one there, and nothing that is linked needs it. */
function emptyLibnode(target) {
  const folder = resolve('target', target);
  mkdirSync(folder, {recursive: true});
  writeFileSync(join(folder, 'libnode.dll'), '');
  writeFileSync(join(folder, 'libnode.a'), '!<arch>\n');
  return folder;
}

function libraryOf(platform) {
  if (platform === 'win32') return 'hawser_addon.dll';
  return platform === 'darwin' ? 'libhawser_addon.dylib' : 'libhawser_addon.so';
}

function succeeds(command, args) {
  return spawnSync(command, args, {stdio: 'ignore'}).status === 0;
}
