import test from 'ava';
import {isSensitive} from '../src/cli/sensitive.ts';

test('what programs run at the top of a folder, or in a repository, is known by its path, and nothing else is', (t) => {
  for (const path of [
    '.ssh',
    '.ssh/authorized_keys',
    '.bashrc',
    '.BashRC',
    '.git/hooks/post-checkout',
    'src/tool/.Git/config',
    'Library/LaunchAgents/x.plist',
  ])
    t.true(isSensitive(path), path);
  for (const path of [
    'photos/.ssh/x',
    '.sshd',
    '.git/objects/x',
    'x.git/hooks/y',
    '.git',
    'bashrc',
    '.config/other',
  ])
    t.false(isSensitive(path), path);
});
