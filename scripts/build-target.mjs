// `node scripts/build-target.mjs TARGET…`: builds the addon for these targets of Rust's, into artifacts/.
import {argv} from 'node:process';
import {build, planFor, targets} from './cross.mjs';

const wanted = argv.slice(2);
const unknown = wanted.filter((target) => !targets.includes(target));
if (wanted.length === 0 || unknown.length > 0) {
  const problem = unknown.length > 0 ? `${unknown.join(', ')}: no such target` : 'name a target';
  console.error(`${problem}. hawser is built for ${targets.join(', ')}.`);
  process.exit(1);
}
for (const target of wanted) {
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
