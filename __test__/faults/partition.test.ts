import test from 'ava';
import {partition} from '../helpers/partition.ts';

test.serial('a network that carries nothing for 30 s costs nothing', (t) => partition(t, 30));
