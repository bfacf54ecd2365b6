#!/usr/bin/env node
// What every Node can load that knows modules: an older one than hawser runs with shall say so, and not fail at an import.
import {createRequire} from 'node:module';

const {engines} = createRequire(import.meta.url)('hawser/package.json') as {engines: {node: string}};
const oldest = engines.node.replace('>=', '');
const [major = 0, minor = 0] = oldest.split('.').map(Number);
const [hasMajor = 0, hasMinor = 0] = process.versions.node.split('.').map(Number);

if (hasMajor > major || (hasMajor === major && hasMinor >= minor)) {
  await import('./program.ts');
} else {
  process.stderr.write(
    `hawser: this is Node ${process.versions.node}, and hawser needs ${oldest} or newer\n`,
  );
  process.exitCode = 1;
}
