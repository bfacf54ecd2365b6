// Which glibc a Linux addon needs.
import {spawnSync} from 'node:child_process';

/** The oldest glibc that hawser runs with: that of CentOS 7, older than any that Node 20 runs with. */
export const GLIBC_FLOOR = '2.17';

/** Throws unless a library runs with GLIBC_FLOOR: it may import no symbol of a later version. */
export function checkGlibc(file) {
  const {status, stdout, error} = spawnSync('objdump', ['-T', file], {encoding: 'utf8', maxBuffer: 2 ** 28});
  if (status !== 0) throw new Error(`objdump cannot read ${file}${error ? `: ${error.message}` : ''}`);
  const symbols = [...stdout.matchAll(/\(?GLIBC_(\d[\d.]*)\)?\s+(\S+)$/gm)];
  if (symbols.length === 0) throw new Error(`${file} imports nothing from glibc`);
  const later = symbols.filter(([, version]) => isLater(version));
  if (later.length === 0) return;
  const named = later.map(([, version, name]) => `${name} (${version})`).join(', ');
  throw new Error(`${file} needs a later glibc than ${GLIBC_FLOOR}: ${named}`);
}

function isLater(version) {
  const [major, minor] = version.split('.').map(Number);
  const [floorMajor, floorMinor] = GLIBC_FLOOR.split('.').map(Number);
  return major > floorMajor || (major === floorMajor && minor > floorMinor);
}
