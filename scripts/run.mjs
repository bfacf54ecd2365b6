import {spawnSync} from 'node:child_process';

/** Runs a command. Where it fails this process ends as well: the command has said why. */
export function run(command) {
  const {status} = spawnSync(command, {shell: true, stdio: 'inherit'});
  if (status !== 0) process.exit(status ?? 1);
}
