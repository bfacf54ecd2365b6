export default {
  files: ['build/__test__/*.test.js'],
  nodeArguments: ['--enable-source-maps'],
  // A child process a file: a crash of the native addon then costs one file, not the run.
  workerThreads: false,
  concurrency: 2,
  timeout: '120s',
};
