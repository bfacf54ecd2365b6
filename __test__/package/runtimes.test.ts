import {cpSync} from 'node:fs';
import test, {type ExecutionContext} from 'ava';
import {main, place, succeed, tool} from './installed.ts';
import {assertCommandMoves, assertProgramMoves, terminateWorkers} from './moved.ts';

/** What runs a program of Node. */
const nodes = ['node20', 'node22', 'node24', 'node26'].map(
  (name) => [name, [tool(name, 'bin/node')]] as const,
);
const others = [
  ['Bun', [tool('@oven/bun-linux-x64/bin/bun')]],
  ['Deno', [tool('@deno/linux-x64-glibc/deno'), 'run', '--allow-all']],
] as const;

test.before('the programs are where hawser is installed', () => {
  cpSync('__test__/package/programs', place.site, {recursive: true});
});

for (const [name, runtime] of [...nodes, ...others]) {
  test(`${name} moves a tree, by the command and by the API`, async (t) => {
    await assertCommandMoves(t, [...runtime, main], place.site);
    await assertProgramMoves(t, runtime, place.site);
  });
}

for (const [name, runtime] of nodes) {
  test(`${name} ends a hundred workers in mid-transfer, and has what it had before`, async (t) => {
    const [first, , , last] = await terminateWorkers(t, runtime, place.site, 100);
    if (!first || !last) throw new Error('It did not say what it has.');

    // 75 workers later: what each of them left would be seen 75 times.
    t.true(last.memory - first.memory < 48 * 2 ** 20, `${first.memory} bytes have become ${last.memory}`);
    t.true(last.threads - first.threads < 25, `${first.threads} threads have become ${last.threads}`);
    t.true(last.files - first.files < 25, `${first.files} descriptors have become ${last.files}`);
  });
}

for (const [name, runtime] of others) {
  test(`${name} ends workers in mid-transfer and goes on`, async (t) => {
    await terminateWorkers(t, runtime, place.site, 25);
  });
}

test('each Node is the one that it is taken for', async (t) => {
  for (const [name, [node]] of nodes)
    t.regex(await version(t, node), new RegExp(`^${name.slice('node'.length)}\\.`));
});

function version(t: ExecutionContext, node = ''): Promise<string> {
  return succeed(t, [node, '--print', 'process.versions.node'], place.site);
}
