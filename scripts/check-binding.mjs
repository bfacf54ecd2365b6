// Fails when binding.cjs or binding.d.cts are not what the addon generates.
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {run} from './run.mjs';

const directory = 'target/binding-check';
run(
  `napi build --platform --release --manifest-path native/addon/Cargo.toml --output-dir ${directory} --js binding.cjs --dts binding.d.cts`,
);

// A panic in a function without it would end the process.
for (const file of readdirSync('native/addon/src').map((name) => join('native/addon/src', name))) {
  for (const [attribute] of readFileSync(file, 'utf8').matchAll(/#\[napi[^\]]*\](?=\s+pub fn)/g)) {
    if (attribute.includes('catch_unwind')) continue;
    console.error(`${file}: ${attribute} without catch_unwind`);
    process.exitCode = 1;
  }
}

const drifted = ['binding.cjs', 'binding.d.cts'].filter(
  (file) => readFileSync(file, 'utf8') !== readFileSync(join(directory, file), 'utf8'),
);
if (drifted.length > 0) {
  console.error(`${drifted.join(' and ')} differ from what the addon generates: run "npm run build:native".`);
  process.exitCode = 1;
}
