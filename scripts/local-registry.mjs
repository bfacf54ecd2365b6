// A registry on this machine, in this process: what is published goes there, and all else comes from the registry in use.
import {once} from 'node:events';
import {writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {join} from 'node:path';
import {npm} from './npm.mjs';

/**
 * Starts a registry on any free port of the loopback interface. In `environment` npm uses it, and leaves the user's settings
 * and cache alone.
 */
export async function startRegistry(folder, tools) {
  const {runServer} = createRequire(join(tools, 'package.json'))('verdaccio');
  const everybody = {access: '$all', publish: '$all'};
  const server = await runServer({
    self_path: folder,
    storage: join(folder, 'storage'),
    uplinks: {upstream: {url: (await npm(['config', 'get', 'registry'])).trim()}},
    packages: {hawser: everybody, '@hawser/*': everybody, '**': {access: '$all', proxy: 'upstream'}},
    // Warnings would be about who runs it and with which Node.
    log: {type: 'stdout', format: 'pretty', level: 'error'},
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = `127.0.0.1:${server.address().port}/`;

  // It lets everybody publish, but npm wants a token to do so.
  const config = join(folder, 'npmrc');
  writeFileSync(
    config,
    `//${address}:_authToken=anybody\naudit=false\nfund=false\nupdate-notifier=false\nloglevel=error\n`,
  );
  return {
    url: `http://${address}`,
    environment: {
      npm_config_userconfig: config,
      npm_config_registry: `http://${address}`,
      npm_config_cache: join(folder, 'cache'),
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
