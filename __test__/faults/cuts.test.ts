import test from 'ava';
import {pull} from '../helpers/attempt.ts';
import {cutEverywhere} from '../helpers/cuts.ts';

test.serial('a connection cut behind any byte to a sharer is no success, and can be resumed', (t) =>
  cutEverywhere(t, pull, 'up', 'connection cut behind its n-th byte from `get` to `share`'),
);

test.serial('a connection cut behind any byte from a sharer is no success, and can be resumed', (t) =>
  cutEverywhere(t, pull, 'down', 'connection cut behind its n-th byte from `share` to `get`'),
);
