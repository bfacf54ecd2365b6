// A file transfer as people write it by hand with what Node brings along: one connection, one cipher stream, and in it
// one file after the other, each behind a line of JSON. Not safe to use: the key is fixed, names are trusted, and
// nothing is checked before the very end.
import {createCipheriv, createDecipheriv} from 'node:crypto';
import {once} from 'node:events';
import {createReadStream} from 'node:fs';
import {mkdir, open, readdir, stat, type FileHandle} from 'node:fs/promises';
import {connect, createServer, type Socket} from 'node:net';
import {basename, dirname, join} from 'node:path';
import {Readable} from 'node:stream';
import {pipeline} from 'node:stream/promises';

const algorithm = 'chacha20-poly1305';
const [key, nonce] = [Buffer.alloc(32, 7), Buffer.alloc(12)];
const tagBytes = 16;

interface Header {
  readonly name: string;
  readonly size: number;
}

async function send(host: string, port: number, path: string): Promise<void> {
  const socket = connect(port, host);
  await once(socket, 'connect');
  const cipher = createCipheriv(algorithm, key, nonce, {authTagLength: tagBytes});
  await pipeline(
    Readable.from(frames(path)),
    cipher,
    async function* withTag(sealed) {
      yield* sealed;
      yield cipher.getAuthTag();
    },
    socket,
  );
}

async function* frames(root: string): AsyncGenerator<Buffer> {
  for await (const path of walk(root)) {
    const header: Header = {
      name: join(basename(root), path.slice(root.length)),
      size: (await stat(path)).size,
    };
    yield Buffer.from(`${JSON.stringify(header)}\n`);
    yield* createReadStream(path) as AsyncIterable<Buffer>;
  }
}

async function* walk(path: string): AsyncGenerator<string> {
  if ((await stat(path)).isDirectory()) {
    for (const name of await readdir(path)) yield* walk(join(path, name));
  } else {
    yield path;
  }
}

async function receive(host: string, port: number, target: string): Promise<void> {
  const server = createServer().listen(port, host);
  await once(server, 'listening');
  console.log('listening');
  const [socket] = (await once(server, 'connection')) as [Socket];
  server.close();
  const decipher = createDecipheriv(algorithm, key, nonce, {authTagLength: tagBytes});
  await pipeline(
    socket,
    async function* withoutTag(chunks) {
      let held: Buffer = Buffer.alloc(0);
      for await (const chunk of chunks as AsyncIterable<Buffer>) {
        const all = held.length > 0 ? Buffer.concat([held, chunk]) : chunk;
        held = all.subarray(-tagBytes);
        yield all.subarray(0, -tagBytes);
      }
      decipher.setAuthTag(held);
    },
    decipher,
    (opened: AsyncIterable<Buffer>) => unpack(opened, target),
  );
}

async function unpack(opened: AsyncIterable<Buffer>, target: string): Promise<void> {
  let pending: Buffer = Buffer.alloc(0);
  let left = 0;
  let file: FileHandle | undefined;
  for await (const chunk of opened) {
    let rest = pending.length > 0 ? Buffer.concat([pending, chunk]) : chunk;
    for (;;) {
      if (file) {
        const content = rest.subarray(0, left);
        await file.writev([content]);
        rest = rest.subarray(content.length);
        left -= content.length;
        if (left > 0) break;
        await file.close();
        file = undefined;
      }
      const end = rest.indexOf(10);
      if (end === -1) break;
      const {name, size} = JSON.parse(rest.toString('utf8', 0, end)) as Header;
      await mkdir(dirname(join(target, name)), {recursive: true});
      file = await open(join(target, name), 'wx');
      rest = rest.subarray(end + 1);
      left = size;
    }
    pending = rest;
  }
}

const [command, host = '', port, path = ''] = process.argv.slice(2);
await (command === 'send' ? send : receive)(host, Number(port), path);
