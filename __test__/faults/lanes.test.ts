import test from 'ava';
import {killLanes} from '../helpers/lanes.ts';

test.serial('a thousand lanes killed during one transfer cost nothing while one is left', (t) =>
  killLanes(t, {kills: 1000, sparing: true}),
);

test.serial('a thousand lanes killed during one transfer cost nothing when all are lost, either', (t) =>
  killLanes(t, {kills: 1000, sparing: false}),
);
