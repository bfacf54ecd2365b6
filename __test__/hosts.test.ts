import {isIPv4, isIPv6} from 'node:net';
import test from 'ava';
import {reachableHosts} from '../src/hosts.ts';

test('the addresses that are bound are the ones to reach', (t) => {
  t.deepEqual(reachableHosts(['127.0.0.1', '::1', '127.0.0.1']), ['127.0.0.1', '::1']);
});

test('where all are bound, the own addresses are, IPv4 first, without link-local ones', (t) => {
  const hosts = reachableHosts([]);

  t.true(hosts.length > 0 && hosts.length <= 8);
  t.false(hosts.some((host) => host.startsWith('169.254.') || host.startsWith('fe80:')));
  t.deepEqual(hosts, [...hosts.filter(isIPv4), ...hosts.filter(isIPv6)]);
});

test('loopback is an address to reach only where there is no other', (t) => {
  const hosts = reachableHosts([]);
  const loopback = hosts.filter((host) => host.startsWith('127.') || host === '::1');

  t.true(loopback.length === 0 || loopback.length === hosts.length);
});

test('where all of one family are bound, only that family is reachable', (t) => {
  t.true(reachableHosts(['0.0.0.0']).every(isIPv4));
  t.true(reachableHosts(['::']).every(isIPv6));
  t.true(reachableHosts(['0.0.0.0', '::1']).includes('::1'));
});
