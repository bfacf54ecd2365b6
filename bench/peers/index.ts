import {croc} from './croc.ts';
import {hawser} from './hawser.ts';
import {plainNode} from './node.ts';
import type {Peer} from './peer.ts';
import {rsyncDaemon, rsyncSsh} from './rsync.ts';
import {scp} from './scp.ts';
import {sendme} from './sendme.ts';
import {tarNc, tarSsh} from './tar.ts';
import {wormhole} from './wormhole.ts';

/** hawser and everything that moves files like it. */
export const tools: readonly Peer[] = [
  hawser,
  scp(),
  scp('aes128-gcm@openssh.com'),
  rsyncSsh,
  rsyncDaemon,
  tarSsh,
  tarNc,
  croc,
  sendme,
  wormhole,
  plainNode,
];
