// Sends sample.txt and sample2.txt, both at once, to a receiver: node examples/send.mjs TICKET
import {isHawserError, send} from 'hawser';

const ticket = process.argv[2];
const samples = ['sample.txt', 'sample2.txt'].map((name) => new URL(name, import.meta.url));

try {
  const transfer = send(samples, {to: ticket});

  for await (const {bytesDone, bytesTotal} of transfer.progress()) {
    console.log(`${bytesDone} of ${bytesTotal} bytes`);
  }

  // Resolves when the receiver has every file checked and safely on its disk.
  const report = await transfer.finished();
  for (const {path, fate} of report.entries) console.log(`${path}: ${fate}`);
} catch (error) {
  if (!isHawserError(error)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
