// Receives files into a folder until Ctrl-C: node examples/receive.mjs [folder [address to listen on…]]
// It prints a ticket; examples/send.mjs sends with it.
import {receive} from 'hawser';

const [directory = 'inbox', ...bind] = process.argv.slice(2);

// The first Ctrl-C closes the port and lets transfers end; a second one, no longer caught here, ends the process.
const receiver = await receive({directory, bind});
process.once('SIGINT', () => void receiver.close());

console.log(receiver.ticket);

// Peers may send at the same time, so no transfer waits for the one before it.
for await (const transfer of receiver) void tell(transfer);

async function tell(transfer) {
  const {name, address} = transfer.peer;
  try {
    const report = await transfer.finished();
    console.error(`${report.files} files, ${report.bytes} bytes from ${JSON.stringify(name)} at ${address}`);
    for (const {path, message} of report.failed) console.error(`failed: ${JSON.stringify(path)}: ${message}`);
  } catch (error) {
    console.error(`from ${address}: ${error.message}`);
  }
}
