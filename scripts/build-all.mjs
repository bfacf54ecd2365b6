// `npm run build:all`: builds the addon for every target that this machine can build, into artifacts/, and says what it
// cannot build, and why.
import {build, planFor, targets} from './cross.mjs';

// Not released. It shows that the code is one that Windows' API can be linked with, where there is no Windows.
const substitutes = process.platform === 'win32' ? [] : ['x86_64-pc-windows-gnu'];

const lines = [];
for (const target of [...targets, ...substitutes]) {
  const plan = planFor(target);
  if (plan.missing) {
    lines.push(`${target.padEnd(28)} not built: ${plan.missing}`);
    continue;
  }
  console.log(`\n== ${target}: ${plan.how}`);
  const started = Date.now();
  try {
    const {file, bytes} = build(target, plan);
    const seconds = Math.round((Date.now() - started) / 1000);
    lines.push(`${target.padEnd(28)} ${file}, ${bytes} bytes, in ${seconds} s; ${plan.how}`);
  } catch (error) {
    process.exitCode = 1;
    lines.push(`${target.padEnd(28)} FAILED: ${error.message}`);
  }
}
console.log(`\n${lines.join('\n')}`);
