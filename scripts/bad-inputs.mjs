// `npm run bad-inputs`: writes docs/bad-inputs.md, the list of what was tried to break hawser, from the names of the tests.
// With --check it only looks whether the page is as it would be written.
import {readFileSync, writeFileSync} from 'node:fs';

const page = 'docs/bad-inputs.md';

/** @type {[title: string, about: string, files: string[]][]} */
const parts = [
  [
    'At the door',
    'Strangers, wrong tickets, wrong codes, changed and repeated handshakes.',
    [
      'native/engine/tests/opening.rs',
      'native/engine/tests/admission.rs',
      'native/engine/tests/attacks_handshake.rs',
      'native/engine/tests/attacks_codes.rs',
      'native/engine/tests/attacks_timing.rs',
      'native/engine/tests/capture.rs',
      'native/engine/tests/reserved.rs',
      'native/protocol/tests/crypto/handshake.rs',
      'native/protocol/tests/crypto/impersonation.rs',
      'native/protocol/tests/crypto/spoken.rs',
      'native/protocol/tests/crypto/ticket.rs',
      '__test__/hostile.test.ts',
    ],
  ],
  [
    'On the line',
    'Bytes that are changed, dropped, repeated, moved or cut off.',
    [
      'native/engine/tests/attacks_records.rs',
      'native/protocol/tests/crypto/records.rs',
      '__test__/cuts.test.ts',
      '__test__/network.test.ts',
      '__test__/outage.test.ts',
    ],
  ],
  [
    'Peers that were let in and break the rules',
    'Frames that are malformed, out of place, too many or too large.',
    [
      'native/protocol/tests/rules/states.rs',
      'native/protocol/tests/rules/hostile.rs',
      'native/protocol/tests/rules/limits.rs',
      'native/engine/tests/hostile/state.rs',
      'native/engine/tests/hostile_peer.rs',
      'native/engine/tests/attacks_slow.rs',
      'native/engine/tests/asking.rs',
      'native/engine/tests/disk/hostile.rs',
    ],
  ],
  [
    'Names, links and races',
    'Ways out of the target folder, and into the source.',
    [
      'native/engine/tests/hostile/names.rs',
      'native/engine/tests/hostile/races.rs',
      'native/engine/tests/placing.rs',
      '__test__/faults/races.test.ts',
      '__test__/faults/disks.test.ts',
      '__test__/confinement.test.ts',
    ],
  ],
  [
    'Floods, and what runs out',
    'Too many connections, sessions, descriptors and files.',
    [
      'native/engine/tests/flooded.rs',
      'native/engine/tests/attacks_door.rs',
      'native/engine/tests/attacks_memory.rs',
      'native/engine/tests/attacks_many.rs',
      'native/engine/tests/crowd.rs',
      'native/engine/tests/exhausted.rs',
      'native/engine/tests/descriptors.rs',
      'native/engine/tests/disk/full.rs',
      '__test__/faults/memory.test.ts',
    ],
  ],
  [
    'Terminals, logs and files of the user',
    'What a peer says, shown to people and programs; files that somebody else has written.',
    [
      '__test__/injection.test.ts',
      '__test__/display.test.ts',
      'native/engine/tests/peers.rs',
      '__test__/cli-peers.test.ts',
      '__test__/cli-identity.test.ts',
      'native/fuzz/bodies/tests/corpus/main.rs',
    ],
  ],
  [
    'Panics',
    'A defect of ours, put there on purpose.',
    ['native/engine/tests/panics.rs', 'native/engine/src/session/tests.rs'],
  ],
];

/** The tests in a file, as sentences. */
function testsIn(path) {
  const text = readFileSync(path, 'utf8');
  if (path.endsWith('.rs')) {
    const tests = text.matchAll(/^\s*#\[test\]\n(?:\s*#\[.*\]\n)*\s*fn (\w+)\(/gm);
    return Array.from(tests, ([, name]) => sentence(name.replaceAll('_', ' ')));
  }
  const tests = text.matchAll(
    /^\s*[a-z]\w*(?:\.\w+)*\(\s*(?:'[a-z]+',\s*)?(['"`])((?:\\.|(?!\1).)*)\1,\s*(?:async )?\(?t\b/gm,
  );
  return Array.from(tests, ([, , name]) => sentence(name.replaceAll('\\', '')));
}

/** Without the number in the catalogue that a name may begin with. */
function sentence(name) {
  const plain = name
    .replaceAll(/\$\{user\}/g, 'somebody')
    .replaceAll(/\$\{\w+\}/g, '')
    .replace(/^(?:[a-z]\d+[ :,]+)+/i, '');
  return plain.charAt(0).toUpperCase() + plain.slice(1);
}

const escaped = (text) => text.replaceAll(/[<>*_`|[\]]/g, String.raw`\$&`);
let count = 0;
const sections = parts.map(([title, about, files]) => {
  const lists = files.map((path) => {
    const tests = testsIn(path);
    if (tests.length === 0) throw new Error(`${path} has no tests that can be read`);
    count += tests.length;
    return `\`${path}\`\n\n${tests.map((test) => `- ${escaped(test)}\n`).join('')}`;
  });
  return `## ${title}\n\n${about}\n\n${lists.join('\n')}`;
});
const text = `# Bad inputs tried

What the tests do to hawser, by their names: ${count} of them, most with many inputs each. \`npm run bad-inputs\` writes this page.
Besides, \`npm run fuzz\` looks for more, and [reliability.md](reliability.md) counts the faults of disks, machines and lines.

${sections.join('\n')}`;

if (process.argv.includes('--check')) {
  if (readFileSync(page, 'utf8') !== text) {
    console.error(`${page} is not what the tests are: npm run bad-inputs`);
    process.exitCode = 1;
  }
} else {
  writeFileSync(page, text);
  console.log(`${page}: ${count} tests`);
}
