import config from './ava.config.js';

// What is tried with the packages as npm installs them: `npm run test:package`, which packs and publishes them first.
export default {...config, files: ['build/__test__/package/*.test.js'], timeout: '5m'};
