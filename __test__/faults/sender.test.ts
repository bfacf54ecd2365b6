import test from 'ava';
import {prepare} from './inject.ts';
import {everyPoint, sender} from './points.ts';

const missing = prepare();
const run = missing === undefined ? test.serial : test.skip;
const because = missing === undefined ? '' : ` (skipped: ${missing})`;

run(`a sender killed as it opens or reads anything loses nothing${because}`, (t) =>
  everyPoint(t, 'sender killed before its n-th read', sender, {what: 'kill', kinds: 'open,read'}),
);

run(`a sender killed as it sends anything loses nothing${because}`, (t) =>
  everyPoint(t, 'sender killed before its n-th message', sender, {what: 'kill', kinds: 'send'}),
);

run(`a sender whose disk answers EIO once, anywhere, loses nothing${because}`, (t) =>
  everyPoint(t, "EIO at the sender's n-th read", sender, {what: 'EIO', kinds: 'open,read'}),
);

run(`a sender whose disk gives only half of any read loses nothing${because}`, (t) =>
  everyPoint(t, "half of the sender's n-th read", sender, {what: 'short', kinds: 'read'}),
);

run(`a sender whose connection breaks as it sends anything loses nothing${because}`, (t) =>
  everyPoint(t, "ECONNRESET at the sender's n-th message", sender, {what: 'ECONNRESET', kinds: 'send'}),
);

run(`a sender whose connection takes only half of any message loses nothing${because}`, (t) =>
  everyPoint(t, "half of the sender's n-th message", sender, {what: 'short', kinds: 'send'}),
);
