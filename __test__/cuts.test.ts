import test from 'ava';
import {push} from './helpers/attempt.ts';
import {cutEverywhere} from './helpers/cuts.ts';

test.serial('a connection cut behind any byte to a receiver is no success, and can be resumed', (t) =>
  cutEverywhere(t, push, 'up', 'connection cut behind its n-th byte from `send` to `receive`'),
);

test.serial('a connection cut behind any byte from a receiver is no success, and can be resumed', (t) =>
  cutEverywhere(t, push, 'down', 'connection cut behind its n-th byte from `receive` to `send`'),
);
