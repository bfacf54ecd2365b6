import {buildCeiling} from '../compile.ts';
import type {Peer} from './peer.ts';

/** Of native/engine/benches/ceiling. */
type Variant = 'copy' | 'plain' | 'sealed' | 'hashed';

const variants: Readonly<Record<Variant, Pick<Peer, 'name' | 'role' | 'encrypted'>>> = {
  copy: {name: 'bound: read and write, no network', role: 'bound', encrypted: false},
  plain: {name: 'bound: not sealed', role: 'bound', encrypted: false},
  sealed: {name: 'bound: sealed', role: 'bound', encrypted: true},
  hashed: {name: 'ceiling: sealed, hashed at both ends', role: 'ceiling', encrypted: true},
};

let program: string | undefined;

/** One variant of the ceiling, with so many connections, or threads where there is no network. */
export function ceiling(variant: Variant, lanes: number, write: 'cached' | 'direct'): Peer {
  return {
    ...variants[variant],
    name: `${variants[variant].name}, ${lanes}`,
    programs: {cargo: 'https://rustup.rs'},

    async run(ends, {shares: [share = ''], target}) {
      program ??= buildCeiling();
      const options = {
        '--file': share,
        '--to': target,
        '--variants': variant,
        '--lanes': lanes,
        '--write': write,
      };
      const run = ends.send([program, ...Object.entries(options).flat().map(String)]);
      ends.startClock();
      await run.ended();
      ends.setSeconds((JSON.parse(run.output) as {seconds: number}).seconds);
    },
  };
}

/** All variants and numbers of connections, for a folder that is written in this way. */
export function ceilings(write: 'cached' | 'direct'): readonly Peer[] {
  const names = Object.keys(variants) as Variant[];
  return names.flatMap((variant) => [1, 2, 4].map((lanes) => ceiling(variant, lanes, write)));
}
