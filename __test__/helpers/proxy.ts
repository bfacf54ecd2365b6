import {once} from 'node:events';
import {connect, createServer, type Server, type Socket} from 'node:net';
import type {ExecutionContext} from 'ava';
import type {Listener} from '../../src/index.ts';
import type {Trees, Way} from './attempt.ts';

/** Where a listener is that is to be reached through a proxy only. */
export const hidden = '127.0.0.2';
/** Where the proxy in front of it is, on the same port: so the ticket leads to the proxy. */
export const visible = '127.0.0.1';

/** From the dialler to the listener, or back. */
export type Direction = 'up' | 'down';

/** How often a port is tried that turns out to be taken on the other address. */
const attempts = 20;

/** A listener that is reached through proxies. */
export interface Proxied {
  readonly listener: Listener;
  /** The one at the first of its addresses. */
  readonly proxy: Proxy;
  /** One for each address. */
  readonly proxies: readonly Proxy[];
}

/** Starts a listener with a proxy at each of the addresses that its ticket names; all are closed after the test. */
export async function startProxied(
  t: ExecutionContext,
  way: Way,
  trees: Trees,
  addresses: readonly string[] = [visible],
): Promise<Proxied> {
  for (let attempt = 1; ; attempt++) {
    const listener = await way.listen(trees, {bind: [hidden], advertise: addresses});
    const proxies: Proxy[] = [];
    try {
      for (const from of addresses) proxies.push(await Proxy.start(t, {port: listener.port, from}));
      const [proxy] = proxies;
      if (!proxy) throw new Error('a proxy needs an address');
      t.teardown(() => listener.close());
      return {listener, proxy, proxies};
    } catch (error) {
      for (const proxy of proxies) proxy.stop();
      await listener.close();
      if (attempt === attempts || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
}

/** Where a proxy listens. */
export interface Front {
  readonly port: number;
  readonly from: string;
}

/** A network between two peers, for a test to disturb. Carries bytes of any number of connections unchanged. */
export class Proxy {
  readonly #server: Server;
  readonly #port: number;
  readonly #lines = new Set<Line>();
  readonly #carried = {up: 0, down: 0};
  readonly #held = new Set<Direction>();
  readonly #stopped = new Set<Direction>();
  readonly #waiting: (() => void)[] = [];
  #cut: {readonly direction: Direction; readonly after: number} | undefined;
  /** The address that the next connection seems to come from. */
  nextSource = (): string => visible;
  #isCut = false;
  readonly #most = {up: Infinity, down: Infinity};

  private constructor(port: number) {
    this.#port = port;
    this.#server = createServer({allowHalfOpen: true, noDelay: true}, (dialler) => this.#accept(dialler));
  }

  /** Listens; closed after the test. */
  static async start(t: ExecutionContext, {port, from}: Front): Promise<Proxy> {
    const proxy = new Proxy(port);
    proxy.#server.listen(port, from);
    await once(proxy.#server, 'listening');
    t.teardown(() => proxy.stop());
    return proxy;
  }

  /** Bytes carried in a direction, over all connections. */
  carried(direction: Direction): number {
    return this.#carried[direction];
  }

  /** Connections that are up. */
  get lines(): readonly Line[] {
    return [...this.#lines];
  }

  /** Whether the cut that was asked for has been made. */
  get isCut(): boolean {
    return this.#isCut;
  }

  /** Carries exactly so many bytes in a direction; with the next one everything is cut, for good. */
  cutAfter(direction: Direction, after: number): void {
    this.#cut = {direction, after};
  }

  /** Holds back whatever comes in these directions, with all connections up. */
  hold(...directions: Direction[]): void {
    for (const direction of directions) this.#held.add(direction);
  }

  /** Holds back what a connection brings to the listener, or from it, beyond so many bytes. */
  holdEachAfter(bytes: number, direction: Direction = 'up'): void {
    this.#most[direction] = bytes;
  }

  /** Carries again, what was held back first. */
  release(): void {
    this.#most.up = this.#most.down = Infinity;
    this.#held.clear();
    this.#stopped.clear();
    this.#changed();
    for (const line of this.#lines) line.flow();
  }

  /** Resolves as soon as this holds. It is looked at whenever anything comes or goes. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => void this.#waiting.push(resolve));
  }

  /** Cuts all connections and takes no more. */
  stop(): void {
    this.#server.close();
    for (const line of this.#lines) line.cut();
  }

  /** Whether bytes that come now, on a connection that has carried so many, are to be held back. */
  holds(direction: Direction, carried: number): boolean {
    if (!this.#held.has(direction) && carried <= this.#most[direction]) return false;
    this.#stopped.add(direction);
    this.#changed();
    return true;
  }

  /** Whether anything of a direction has been held back. */
  isHolding(direction: Direction): boolean {
    return this.#stopped.has(direction);
  }

  /** Counts bytes that are about to be carried. Gives how many of them may be. */
  admit(direction: Direction, bytes: number): number {
    const cut = this.#cut?.direction === direction ? this.#cut : undefined;
    const left = cut ? cut.after - this.#carried[direction] : bytes;
    const admitted = Math.min(left, bytes);
    this.#carried[direction] += admitted;
    if (admitted < bytes) this.#isCut = true;
    this.#changed();
    return admitted;
  }

  #accept(dialler: Socket): void {
    const to = {port: this.#port, host: hidden, localAddress: this.nextSource()};
    const line = new Line(this, dialler, connect({...to, allowHalfOpen: true, noDelay: true}));
    this.#lines.add(line);
    line.ended
      .then(() => this.#lines.delete(line))
      .then(
        () => this.#changed(),
        () => {},
      );
    this.#changed();
  }

  #changed(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** One connection through a proxy. */
export class Line {
  readonly carried = {up: 0, down: 0};
  readonly ended: Promise<unknown>;
  readonly #proxy: Proxy;
  readonly #sockets: Readonly<Record<Direction, Socket>>;
  #isSilent = false;

  constructor(proxy: Proxy, dialler: Socket, listener: Socket) {
    this.#proxy = proxy;
    // By where their bytes go.
    this.#sockets = {up: listener, down: dialler};
    this.#join('up', dialler, listener);
    this.#join('down', listener, dialler);
    this.ended = Promise.all([closed(dialler), closed(listener)]);
  }

  /** Ends it abruptly, for both sides. */
  cut(): void {
    for (const socket of Object.values(this.#sockets)) socket.destroy();
  }

  /** Carries nothing any more, not even that an end has closed: a black hole. */
  silence(): void {
    this.#isSilent = true;
    this.flow();
  }

  /** Ends it for the dialler; the listener does not get to know. */
  abandon(): void {
    this.silence();
    this.#sockets.down.destroy();
  }

  /** Takes up again what was held back. */
  flow(): void {
    for (const socket of Object.values(this.#sockets)) socket.resume();
  }

  #join(direction: Direction, from: Socket, to: Socket): void {
    const other = (): Socket | undefined => (this.#isSilent ? undefined : to);
    from.on('data', (bytes: Buffer) => {
      if (this.#isSilent) return;
      if (this.#proxy.holds(direction, this.carried[direction])) {
        // First paused: what flows would come right back.
        from.pause();
        from.unshift(bytes);
        return;
      }
      const admitted = this.#proxy.admit(direction, bytes.length);
      this.carried[direction] += admitted;
      if (admitted < bytes.length) {
        // What was admitted arrives before the end does.
        to.end(bytes.subarray(0, admitted), () => this.#proxy.stop());
      } else if (!to.write(bytes)) {
        from.pause();
        to.once('drain', () => from.resume());
      }
    });
    from.on('end', () => (this.#isSilent ? from.destroy() : to.end()));
    from.on('error', () => other()?.destroy());
    from.on('close', () => other()?.destroy());
  }
}

/** Also when it fails. */
async function closed(socket: Socket): Promise<void> {
  await new Promise((resolve) => void socket.once('close', resolve));
}
