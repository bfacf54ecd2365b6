import {cpSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import {writeSmallTree} from '../helpers/tree-state.ts';
import {assertSameTree, writeSparse} from '../helpers/tree.ts';
import {emptyFolder, install, run, succeed} from './installed.ts';

test('JavaScript is lent no memory, which Electron forbids', async (t) => {
  const folder = emptyFolder();
  const tree = writeSmallTree(t, folder);
  const [library, inbox, large] = ['refuse.so', 'inbox', 'large'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  writeSparse(large, 2 ** 28);
  await succeed(
    t,
    ['cc', '-shared', '-fPIC', '-o', library, '__test__/package/no-external-buffers.c', '-ldl'],
    '.',
  );
  const site = await install(t);
  cpSync('__test__/package/programs', site, {recursive: true});

  const moved = await run(t, [process.execPath, 'move.mjs', tree, inbox, large], site, {LD_PRELOAD: library});

  t.is(moved.code, 0, moved.stderr);
  await assertSameTree(t, join(inbox, 'tree'), tree);
  const said = new Set(moved.stderr.trim().split('\n'));
  t.deepEqual([...said].toSorted(), ['looked for external ArrayBuffers', 'looked for external Buffers']);
});
