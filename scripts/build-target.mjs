// `node scripts/build-target.mjs TARGET…`: builds the addon for these targets of Rust's, into artifacts/.
import {argv} from 'node:process';
import {build, planFor} from './cross.mjs';

for (const target of argv.slice(2)) {
  const plan = planFor(target);
  if (plan.missing) {
    console.error(`${target} cannot be built here: ${plan.missing}.`);
    process.exit(1);
  }
  try {
    const {file, bytes} = build(target, plan);
    console.log(`${file}: ${bytes} bytes`);
  } catch (error) {
    console.error(`${target}: ${error.message}`);
    process.exit(1);
  }
}
