import config from './ava.config.js';

// What needs Linux, a C compiler, root or a mkfs: `npm run test:faults`.
export default {...config, files: ['build/__test__/faults/*.test.js'], timeout: '10m'};
