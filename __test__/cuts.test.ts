import test from 'ava';
import {cutEverywhere} from './helpers/cuts.ts';

test.serial('a connection cut behind any byte to the receiver is no success, and can be resumed', (t) =>
  cutEverywhere(t, 'up'),
);

test.serial('a connection cut behind any byte from the receiver is no success, and can be resumed', (t) =>
  cutEverywhere(t, 'down'),
);
