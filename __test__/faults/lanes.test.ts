import test from 'ava';
import {killLanes} from '../helpers/lanes.ts';

test.serial('a thousand lanes killed during one transfer cost nothing while one is left', (t) =>
  killLanes(t, 1000),
);
