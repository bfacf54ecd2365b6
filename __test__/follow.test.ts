import test from 'ava';
import type {CommandEvent} from '../src/cli/events.ts';
import {follow} from '../src/cli/follow.ts';
import type {Outage, Progress, Transfer} from '../src/index.ts';

/** A transfer of which these snapshots are all that is seen; which ones a real one gives is a matter of luck. */
function transferWith(snapshots: readonly Partial<Progress>[]): Transfer {
  const transfer: Partial<Transfer> = {
    async *progress() {
      yield* snapshots as Progress[];
    },
    finished: () => Promise.reject(new Error('of no interest')),
  };
  return transfer as Transfer;
}

async function changes(snapshots: readonly Partial<Progress>[]): Promise<string[]> {
  const events: CommandEvent[] = [];
  const {signal} = new AbortController();
  await follow(
    transferWith(snapshots),
    1,
    {
      report: (event) => events.push(event),
      screen: undefined,
      intervalMs: 10,
      signal,
      terminated: signal,
    },
    () => Promise.reject(new Error('nobody is there')),
  );
  return events.map(({event}) => event).filter((event) => event.startsWith('reconnect'));
}

const outage: Outage = {attempt: 1, elapsedMs: 0, retryMs: Infinity, reason: 'lost'};

test('a loss, its attempts and their success are told once each', async (t) => {
  const snapshots = [
    {reconnects: 0, outage: null},
    {reconnects: 0, outage},
    {reconnects: 0, outage},
    {reconnects: 0, outage: {...outage, attempt: 2}},
    {reconnects: 1, outage: null},
  ];
  t.deepEqual(await changes(snapshots), ['reconnecting', 'reconnecting', 'reconnected']);
});

test('a connection that is there and lost again between two looks is told of, in that order', async (t) => {
  const snapshots = [
    {reconnects: 0, outage},
    {reconnects: 1, outage},
    {reconnects: 1, outage},
  ];
  t.deepEqual(await changes(snapshots), ['reconnecting', 'reconnected', 'reconnecting']);
});
