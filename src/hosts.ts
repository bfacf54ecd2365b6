import {BlockList, isIPv4, isIPv6} from 'node:net';
import {networkInterfaces} from 'node:os';

/**
 * The addresses of this machine to put into a ticket: those bound, where they are specific, and otherwise all that
 * another machine may reach, IPv4 first. Loopback addresses only when there are no others.
 */
export function reachableHosts(bind: readonly string[]): string[] {
  const specific = bind.filter((address) => !isUnspecified(address));
  const all = bind.length === 0 || specific.length < bind.length;
  const hosts = all ? [...specific, ...ownHosts(bind)] : specific;
  return [...new Set(hosts)].slice(0, maxHosts);
}

/** The own addresses of the families of which all are bound. */
function ownHosts(bind: readonly string[]): string[] {
  const families = [isIPv4, isIPv6].filter(
    (is) => bind.length === 0 || bind.some((host) => isUnspecified(host) && is(host)),
  );
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const reachable = own.filter(({internal, address}) => !internal && !isLinkLocal(address));
  const candidates = reachable.length > 0 ? reachable : own.filter(({internal}) => internal);
  return families.flatMap((is) => candidates.map(({address}) => address).filter((address) => is(address)));
}

function isUnspecified(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** Link-local addresses mean nothing without a zone, which another machine does not share. */
function isLinkLocal(address: string): boolean {
  return linkLocal.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}

const linkLocal = new BlockList();
linkLocal.addSubnet('169.254.0.0', 16, 'ipv4');
linkLocal.addSubnet('fe80::', 10, 'ipv6');

/** Few enough that a ticket stays on one line and that trying all of them stays quick. */
const maxHosts = 8;
