// Both sides of a transfer in one process: one that is completed, and one that is aborted. Arguments: a tree, where to, and
// a file of which not all is to be sent. Says what it has seen as JSON.
import process from 'node:process';
import {isHawserError, receive, send} from 'hawser';

const [tree, directory, large] = process.argv.slice(2);
const receiver = await receive({directory, bind: ['127.0.0.1']});

const completed = send([tree], {to: receiver.ticket});
const {files, failed} = await completed.finished();

const abort = new AbortController();
const aborted = send([large], {to: receiver.ticket, limit: 10_000_000, signal: abort.signal});
for await (const {bytesDone} of aborted.progress(10)) if (bytesDone > 0) abort.abort();
const reason = await aborted.finished().catch((error) => error.name);

let refused;
try {
  send([tree], {to: 'nonsense'});
} catch (error) {
  refused = isHawserError(error) && error.code;
}
await receiver.close();
console.log(JSON.stringify({files, failed, reason, refused}));
