import {cpSync, mkdirSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync} from 'node:fs';
import {chmodSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import {makeFolder} from './helpers/folder.ts';
import {differences, unlock, wrongs, writeSmallTree} from './helpers/tree-state.ts';

/** What may be wrong with a tree that arrived, and whether it is wrong too while the transfer is not over. */
const mishaps: Record<string, {readonly spoil: (tree: string) => void; readonly always: boolean}> = {
  'a missing file': {spoil: (tree) => rmSync(join(tree, 'a/one')), always: false},
  'a missing folder': {spoil: (tree) => rmSync(join(tree, 'hollow'), {recursive: true}), always: false},
  'a folder of another time': {spoil: (tree) => utimesSync(join(tree, 'a'), 1, 1), always: false},
  'a copy': {spoil: (tree) => writeFileSync(join(tree, 'a/one (2)'), '1'), always: true},
  'a file of another time': {spoil: (tree) => utimesSync(join(tree, 'a/one'), 1, 1), always: true},
  'a file of another mode': {spoil: (tree) => chmodSync(join(tree, 'a/one'), 0o600), always: true},
  'a file cut short': {spoil: (tree) => truncateSync(join(tree, 'direct'), 1_000_000), always: true},
  'a file for a folder': {
    spoil(tree) {
      rmSync(join(tree, 'hollow'), {recursive: true});
      writeFileSync(join(tree, 'hollow'), '');
    },
    always: true,
  },
  'a link elsewhere': {
    spoil(tree) {
      rmSync(join(tree, 'link'));
      symlinkSync('a/two', join(tree, 'link'));
    },
    always: true,
  },
};

for (const [what, {spoil, always}] of Object.entries(mishaps)) {
  test(`the tests of faults notice ${what}`, (t) => {
    const home = makeFolder(t);
    const sent = writeSmallTree(t, home);
    const arrived = join(home, 'arrived');
    t.teardown(() => unlock(arrived));
    cpSync(sent, arrived, {recursive: true, preserveTimestamps: true, verbatimSymlinks: true});
    mkdirSync(join(arrived, '.hawser'));
    // Copying keeps neither the times of folders nor parts of a millisecond.
    const [unlike, wrong] = [differences(arrived, sent), wrongs(arrived, sent)];
    t.true([...unlike, ...wrong].every((text) => text.includes(' has time ')));

    spoil(arrived);

    t.true(differences(arrived, sent).some((text) => !unlike.includes(text)));
    t.is(
      wrongs(arrived, sent).some((text) => !wrong.includes(text)),
      always,
    );
  });
}
