import {isHawserError, type Listener, type Transfer} from '../index.ts';
import {exit, type ExitCode} from './exit.ts';
import {follow} from './follow.ts';
import {defaultPort} from './options.ts';
import type {CommandContext} from './run.ts';

/** Opens the port asked for, or else the default one, or else any that is free. */
export async function openPort(
  asked: number | undefined,
  open: (port: number) => Promise<Listener>,
): Promise<Listener> {
  if (asked !== undefined) return open(asked);
  try {
    return await open(defaultPort);
  } catch (error) {
    if (isHawserError(error) && error.code === 'PORT_IN_USE') return open(0);
    throw error;
  }
}

/**
 * Serves sessions, several at a time, until interrupted or, with `once`, until the first has finished. Gives the exit
 * code of that one; otherwise an interrupt is how a listener ends, and only one that cut a transfer short shows.
 */
export async function serve(listener: Listener, once: boolean, context: CommandContext): Promise<ExitCode> {
  const {ticket, port, addresses} = listener;
  context.report({event: 'listening', ticket, port, addresses});

  const following = new Set<Promise<void>>();
  let result: ExitCode | undefined;
  let transfers = 0;

  const serveOne = async (transfer: Transfer): Promise<void> => {
    const code = await follow(transfer, ++transfers, context);
    if (once) {
      result ??= code;
      await listener.close();
    } else if (code === exit.interrupted) {
      result = code;
    }
  };

  for await (const transfer of listener) {
    const served = serveOne(transfer).finally(() => following.delete(served));
    following.add(served);
  }
  await Promise.all(following);
  return result ?? exit.ok;
}
