// Workers, one after another, each ended while it sends to itself; then the main thread does what they did, and completes
// it. Arguments: a folder with a large file and a small one, and how many workers. Says as JSON what the process had after
// every 25 of them.
import {once} from 'node:events';
import {readdirSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import process from 'node:process';
import {isMainThread, parentPort, threadId, Worker, workerData} from 'node:worker_threads';
import {receive, send} from 'hawser';

const folder = isMainThread ? process.argv[2] : workerData;

if (isMainThread) {
  const seen = [];
  for (let number = 1; number <= Number(process.argv[3]); number++) {
    const worker = new Worker(new URL(import.meta.url), {workerData: folder});
    await once(worker, 'message');
    await worker.terminate();
    removeInboxes();
    if (number % 25 === 0) seen.push(resources());
  }
  const receiver = await receive({directory: join(folder, 'inbox'), bind: ['127.0.0.1']});
  const {files} = await send([join(folder, 'small')], {to: receiver.ticket}).finished();
  await receiver.close();
  console.log(JSON.stringify({files, seen}));
} else {
  const receiver = await receive({directory: join(folder, `inbox of ${threadId}`), bind: ['127.0.0.1']});
  const transfer = send([join(folder, 'large')], {to: receiver.ticket, limit: 10_000_000});
  for await (const {bytesDone} of transfer.progress(10)) if (bytesDone > 0) break;
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort.postMessage('running');
  await transfer.finished();
  throw new Error('It was not terminated while it was sending.');
}

function removeInboxes() {
  for (const name of readdirSync(folder)) {
    if (!name.startsWith('inbox')) continue;
    try {
      rmSync(join(folder, name), {recursive: true});
    } catch (error) {
      // A worker of Deno has not quite ended yet when Deno says so.
      if (error.code !== 'ENOTEMPTY') throw error;
    }
  }
}

function resources() {
  return {
    memory: process.memoryUsage.rss(),
    threads: readdirSync('/proc/self/task').length,
    files: readdirSync('/proc/self/fd').length,
  };
}
