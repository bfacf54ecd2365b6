import {execFileSync, spawnSync} from 'node:child_process';
import {mkdirSync, readFileSync, readdirSync, rmSync, truncateSync, utimesSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {makeFolder} from '../helpers/folder.ts';
import {deliver} from '../helpers/loopback.ts';

/** Disks with rules of their own about names, and how to make and mount one. */
const disks = {
  exfat: {make: ['mkfs.exfat'], mount: ['mount.exfat-fuse']},
  ntfs: {make: ['mkntfs', '--quick', '--force'], mount: ['ntfs-3g', '-o', 'windows_names']},
} as const;

/** Why there can be no such disk here, if so. */
function lacks(disk: keyof typeof disks): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  for (const program of [disks[disk].make[0], disks[disk].mount[0]]) {
    if (spawnSync('which', [program]).status !== 0) return `needs ${program}`;
  }
  return spawnSync('test', ['-c', '/dev/fuse']).status === 0 ? undefined : 'needs /dev/fuse';
}

/** A disk of its own for a test, and a folder beside it that is on another one. */
function attach(t: ExecutionContext, disk: keyof typeof disks): {at: string; beside: string} {
  const beside = makeFolder(t);
  const [at, image] = [join(beside, 'disk'), join(beside, 'image')];
  mkdirSync(at);
  writeFileSync(image, '');
  truncateSync(image, 64 * 2 ** 20);
  const device = execFileSync('losetup', ['--find', '--show', image], {encoding: 'utf8'}).trim();
  t.teardown(() => {
    spawnSync('umount', [at]);
    spawnSync('losetup', ['--detach', device]);
    rmSync(image, {force: true});
  });
  const [[make, ...making], [program, ...options]] = [disks[disk].make, disks[disk].mount];
  execFileSync(make, [...making, device], {stdio: 'ignore'});
  execFileSync(program, [...options, device, at], {stdio: 'ignore'});
  return {at, beside};
}

function on(disk: keyof typeof disks, title: string, body: (t: ExecutionContext) => Promise<void>): void {
  const missing = lacks(disk);
  const run = missing === undefined ? test.serial : test.serial.skip;
  run(`${title}${missing === undefined ? '' : ` (skipped: ${missing})`}`, body);
}

/** Files called so, each of which holds its name, all of the same time. */
function writeNames(folder: string, names: readonly string[]): readonly string[] {
  mkdirSync(folder, {recursive: true});
  return names.map((name) => {
    const path = join(folder, name);
    writeFileSync(path, name);
    utimesSync(path, 1_600_000_000, 1_600_000_000);
    return path;
  });
}

/** All that is in a folder, by its name there: what it holds. */
function contents(folder: string): Readonly<Record<string, string>> {
  const names = readdirSync(folder).filter((name) => name !== '.hawser');
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}

const forbidden = [
  'a:b',
  'a::$DATA',
  'q?',
  'st*r',
  'pi|pe',
  'l<t',
  'g>t',
  'quo"te',
  String.raw`back\slash`,
  'c\u0001',
];
const devices = ['CON', 'nul.txt', 'AUX ', 'COM1', 'com1.tar.gz', 'dot.', 'space '];

on(
  'ntfs',
  'N7 N8: what Windows reads as more than a name is refused on a disk of its kind, and the rest comes',
  async (t) => {
    const {at, beside} = attach(t, 'ntfs');
    const [bad, good] = [
      [...forbidden, ...devices],
      ['fine', 'PROGRA~1', 'CONSOLE', 'é', 'e\u0301'],
    ];
    const {entries} = await deliver(
      t,
      writeNames(join(beside, 'from'), [...bad, ...good]),
      join(at, 'inbox'),
      {entries: 'all'},
    );

    const failed = entries.filter(({fate}) => fate === 'failed');
    t.deepEqual(failed.map(({path}) => path).toSorted(), bad.toSorted());
    t.true(failed.every((entry) => entry.fate === 'failed' && entry.code === 'NAME_REFUSED'));
    t.deepEqual(contents(join(at, 'inbox')), Object.fromEntries(good.map((name) => [name, name])));
  },
);

on('exfat', 'N8: names that the disk cannot have are refused as that, and the rest comes', async (t) => {
  const {at, beside} = attach(t, 'exfat');
  const from = join(beside, 'from');
  const paths = writeNames(from, [...forbidden, 'fine']);
  mkdirSync(join(from, 'folder:'));
  const {entries} = await deliver(t, [...paths, join(from, 'folder:')], join(at, 'inbox'), {entries: 'all'});

  const refused = entries.filter((entry) => entry.fate === 'failed' && entry.code === 'NAME_REFUSED');
  t.deepEqual(refused.map(({path}) => path).toSorted(), [...forbidden, 'folder:'].toSorted());
  t.deepEqual(contents(join(at, 'inbox')), {fine: 'fine'});
});

on(
  'exfat',
  'N19 N20: names that are one to the disk become two files, whatever their sizes and times',
  async (t) => {
    const {at, beside} = attach(t, 'exfat');
    const names = ['a', 'A', 'é', 'É', 'Straße', 'STRASSE', 'ﬁ', 'fi', 'x\u200c', 'x'];
    const inbox = join(at, 'inbox');
    // Also where some are there from before, and the same is sent again.
    for (const round of ['first', 'again', 'with content']) {
      const report = await deliver(t, writeNames(join(beside, 'from'), names), inbox, {
        checksum: round === 'with content',
      });
      t.deepEqual(report.failed, [], round);
      const found = Object.values(contents(inbox)).toSorted();
      t.deepEqual(found, names.toSorted(), round);
    }
  },
);

on('exfat', 'N19: a file is not taken for there because one is that the disk calls the same', async (t) => {
  const {at, beside} = attach(t, 'exfat');
  const inbox = join(at, 'inbox');
  writeNames(inbox, ['A']);
  const report = await deliver(t, writeNames(join(beside, 'from'), ['a']), inbox);

  t.is(report.filesPresent, 0);
  t.deepEqual(contents(inbox), {A: 'A', 'a (2)': 'a'});
});

on('exfat', 'N19: files in folders whose names are one to the disk all come', async (t) => {
  const {at, beside} = attach(t, 'exfat');
  const from = join(beside, 'from');
  writeNames(join(from, 'Dir'), ['One', 'two']);
  writeNames(join(from, 'dir'), ['one', 'Two']);
  const {failed} = await deliver(t, [join(from, 'Dir'), join(from, 'dir')], join(at, 'inbox'));

  t.deepEqual(failed, []);
  t.deepEqual(Object.values(contents(join(at, 'inbox/Dir'))).toSorted(), ['One', 'Two', 'one', 'two']);
});

on(
  'exfat',
  'N21: a folder and a file of names that are one to the disk do not get in each other’s way',
  async (t) => {
    const {at, beside} = attach(t, 'exfat');
    const from = join(beside, 'from');
    writeNames(join(from, 'FOO'), ['within']);
    const [foo = ''] = writeNames(from, ['foo']);
    const {failed} = await deliver(t, [join(from, 'FOO'), foo], join(at, 'inbox'));

    t.deepEqual(failed, []);
    t.is(readFileSync(join(at, 'inbox/FOO/within'), 'utf8'), 'within');
    t.is(readFileSync(join(at, 'inbox/foo (2)'), 'utf8'), 'foo');
  },
);

on('exfat', 'N23: our own folder is not entered by any spelling of its name', async (t) => {
  const {at, beside} = attach(t, 'exfat');
  const from = join(beside, 'from');
  mkdirSync(join(at, 'inbox/.hawser'), {recursive: true});
  const paths = ['.HAWSER', '.Hawser'].map((name) => {
    writeNames(join(from, name), ['x']);
    return join(from, name);
  });
  // Nobody offers them in the first place.
  await t.throwsAsync(deliver(t, paths, join(at, 'inbox')), {code: 'INVALID_OPTION'});
  t.deepEqual(contents(join(at, 'inbox')), {});
});
