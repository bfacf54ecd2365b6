import {once} from 'node:events';
import {connect, createServer, type Socket} from 'node:net';
import type {ExecutionContext} from 'ava';

/** Where a line is reached: beside the loopback address that listeners bind, so that their port is free there. */
export const nearEnd = '127.0.0.2';

/** A line to a port of 127.0.0.1, as long as it is not cut; its near end is the same port of {@link nearEnd}. */
export class Line {
  readonly #sockets = new Set<Socket>();

  /** Cuts all connections; new ones can be made. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Joins two ends. */
  join(near: Socket, far: Socket): void {
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }
}

/** Lays a line to a port. Listeners advertise its near end. */
export async function layLine(t: ExecutionContext, port: number): Promise<Line> {
  const line = new Line();
  const server = createServer((near) => line.join(near, connect(port, '127.0.0.1')));
  server.listen(port, nearEnd);
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    line.cut();
  });
  return line;
}
