import test from 'ava';
import {prepare, thorough} from './inject.ts';
import {everyPoint, receiver} from './points.ts';

const missing = prepare();
const run = missing === undefined ? test.serial : test.skip;
const because = missing === undefined ? '' : ` (skipped: ${missing})`;

/** All that changes something on the disk. */
const changes = 'write,alloc,sync,rename,mkdir,unlink,create,stamp';
/** All that takes up space, or may be told late that there is none. */
const growths = 'write,alloc,sync,rename,mkdir,create';

run(`a receiver killed before any change of its disk loses nothing${because}`, (t) =>
  everyPoint(t, 'receiver killed before its n-th change of the disk', receiver, {
    what: 'kill',
    kinds: changes,
  }),
);

run(`a receiver killed as it sends anything loses nothing${because}`, (t) =>
  everyPoint(t, 'receiver killed before its n-th message', receiver, {what: 'kill', kinds: 'send'}),
);

for (const [error, kinds] of [
  ['EIO', changes],
  ['ENOSPC', growths],
] as const) {
  run(`a receiver whose disk answers ${error} once, anywhere, loses nothing${because}`, (t) =>
    everyPoint(t, `${error} at the receiver's n-th change of the disk`, receiver, {what: error, kinds}),
  );

  run(`a receiver whose disk answers ${error} from anywhere on loses nothing${because}`, (t) =>
    everyPoint(t, `${error} from the receiver's n-th change of the disk on`, receiver, {
      what: error,
      kinds,
      flags: ['--on'],
    }),
  );
}

run(`a receiver whose disk takes only half of any write loses nothing${because}`, (t) =>
  everyPoint(t, "half of the receiver's n-th write", receiver, {what: 'short', kinds: 'write'}),
);

run(`a receiver whose connection breaks as it sends anything loses nothing${because}`, (t) =>
  everyPoint(t, "ECONNRESET at the receiver's n-th message", receiver, {
    what: 'ECONNRESET',
    kinds: 'send',
  }),
);

if (thorough) {
  run(`a receiver killed behind any change of its disk loses nothing${because}`, (t) =>
    everyPoint(t, 'receiver killed behind its n-th change of the disk', receiver, {
      what: 'kill',
      kinds: changes,
      flags: ['--after'],
    }),
  );

  for (const error of ['EDQUOT', 'EROFS', 'EACCES', 'EMFILE']) {
    run(`a receiver whose disk answers ${error} once, anywhere, loses nothing${because}`, (t) =>
      everyPoint(t, `${error} at the receiver's n-th change of the disk`, receiver, {
        what: error,
        kinds: changes,
      }),
    );
  }
}
