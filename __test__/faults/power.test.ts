import {testFailure} from './power.ts';

/** Behind each of them, something may be on the disk that was not there before. */
const steps = 'write,alloc,sync,rename,mkdir,unlink,create,stamp';
const nothingLost = 'costs nothing that was said to be there';

testFailure({
  title: `before any flush ${nothingLost}`,
  row: "power lost before the receiver's n-th flush",
  fault: {what: 'power', kinds: 'sync'},
});

testFailure({
  title: `right behind any flush ${nothingLost}`,
  row: "power lost behind the receiver's n-th flush",
  fault: {what: 'power', kinds: 'sync', flags: ['--after']},
});

testFailure({
  title: `behind any step, with the log of the file system ahead of its data, ${nothingLost}`,
  row: "power lost behind the receiver's n-th change of its disk, names on disk before contents",
  fault: {what: 'power-log', kinds: steps, flags: ['--after']},
});
