import test from 'ava';
import {blackHole, partition} from '../helpers/partition.ts';

test.serial('a network that carries nothing for 30 s costs nothing', (t) => partition(t, 30));

test.serial('connections that are swallowed are noticed in a minute, and others made', (t) =>
  blackHole(t, {told: false}),
);
