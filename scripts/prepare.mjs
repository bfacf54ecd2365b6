// What npm runs after an install in a clone: builds the addon and the TypeScript. An installed package never runs it.
import {spawnSync} from 'node:child_process';
import {run} from './run.mjs';

if (spawnSync('cargo', ['--version']).status !== 0) {
  console.error('hawser builds its engine with Rust, and there is no cargo on the PATH.');
  console.error(
    'Install Rust from https://rustup.rs or your package manager, then run the same command again.',
  );
  process.exit(1);
}

// Without --js, and with the declarations aside: binding.cjs and binding.d.cts are committed, and `npm run check`
// tells whether they still are what the addon generates.
run(
  'napi build --platform --release --manifest-path native/addon/Cargo.toml --output-dir . --no-js --dts target/binding.d.cts',
);
run('npm run build:ts');
