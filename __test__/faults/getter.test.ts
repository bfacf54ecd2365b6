import test from 'ava';
import {prepare} from './inject.ts';
import {everyPoint, getter} from './points.ts';

const missing = prepare();
const run = missing === undefined ? test.serial : test.skip;
const because = missing === undefined ? '' : ` (skipped: ${missing})`;

/** All that changes something on the disk. */
const changes = 'write,alloc,sync,rename,mkdir,unlink,create,stamp';

run(`a getter killed before any change of its disk loses nothing${because}`, (t) =>
  everyPoint(t, '`get` killed before its n-th change of the disk', getter, {what: 'kill', kinds: changes}),
);

run(`a getter killed as it sends anything loses nothing${because}`, (t) =>
  everyPoint(t, '`get` killed before its n-th message', getter, {what: 'kill', kinds: 'send'}),
);

run(`a getter whose disk answers EIO once, anywhere, loses nothing${because}`, (t) =>
  everyPoint(t, 'EIO at the n-th change of the disk of `get`', getter, {what: 'EIO', kinds: changes}),
);
