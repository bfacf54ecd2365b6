// `npm run bench`: hawser and whatever else is installed move the same data, in turn. docs/performance.md tells more.
import {existsSync} from 'node:fs';
import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {dirname, join, resolve} from 'node:path';
import {loopback, openWan} from './line.ts';
import {describeMachine, fileSystem} from './machine.ts';
import {parseOptions, usage, type Options} from './options.ts';
import {tools} from './peers/index.ts';
import {missing, type Peer} from './peers/peer.ts';
import {isEnding, stopAll} from './process.ts';
import {toMarkdown, type Report} from './report.ts';
import {summarize} from './results.ts';
import {playRounds} from './rounds.ts';
import {atEnd, tidy} from './tidy.ts';
import {workloads, type Workload} from './workloads.ts';

// What runs is stopped, nothing else can start, and so everything below fails and is tidied up.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    console.error('bench: interrupted, cleaning up');
    void stopAll();
  });
}
try {
  const options = parseOptions(process.argv.slice(2));
  if (options === 'help') console.log(usage);
  else if (options.list) list();
  else await bench(options);
} catch (error) {
  if (!isEnding()) console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = isEnding() ? 130 : 1;
} finally {
  await stopAll();
  await tidy();
}

function list(): void {
  console.log('Workloads:');
  for (const [name, {summary}] of Object.entries(workloads)) console.log(`  ${name.padEnd(16)}${summary}`);
  console.log('\nPeers:');
  for (const peer of tools) {
    const needs = missing(peer);
    console.log(`  ${peer.name.padEnd(16)}${needs.length > 0 ? `needs ${needs.join(', ')}` : 'is here'}`);
  }
}

async function bench(options: Options): Promise<void> {
  const workload = workloads[options.workload];
  if (!workload) throw new Error(`there is no workload ${options.workload}`);
  if (process.platform !== 'linux') throw new Error('it measures on Linux only');
  if (!existsSync('dist/cli/main.js')) throw new Error('hawser is not built: npm ci, npm run build:ts');

  const work = await makeFolder('build');
  const inbox = await makeFolder(options.folder);
  const kind = fileSystem(inbox);
  const {present, absent} = choose(options, workload, kind);
  const line = workload.wan ? await openWan(workload.wan) : loopback;
  const report: Report = {
    date: new Date().toISOString().slice(0, 10),
    machine: describeMachine(),
    options,
    line: line.description,
    fileSystem: kind,
    cells: await playCells(options, workload, {contenders: present, line, work, inbox}),
    missing: absent,
  };
  const markdown = toMarkdown(report);
  console.log(`\n${markdown}`);
  await mkdir(dirname(resolve(options.out)), {recursive: true});
  await writeFile(`${options.out}.md`, markdown);
  await writeFile(`${options.out}.json`, `${JSON.stringify(report, undefined, 2)}\n`);
}

interface Place {
  readonly contenders: readonly Peer[];
  readonly line: typeof loopback;
  readonly work: string;
  readonly inbox: string;
}

async function playCells(
  options: Options,
  workload: Workload,
  {contenders, line, work, inbox}: Place,
): Promise<Report['cells']> {
  const cells = [];
  for (const [index, {title, make}] of workload.cells(options).entries()) {
    console.log(`Making the data: ${title}`);
    const folder = join(work, `data-${index}`);
    await mkdir(folder);
    const data = await make(folder);
    const all = await playRounds({
      options,
      contenders,
      data,
      line,
      again: workload.again ?? false,
      inbox: join(inbox, String(index)),
      scratch: join(work, `scratch-${index}`),
    });
    const failed = all.flatMap(({peer, failure}) =>
      failure === undefined ? [] : [[peer.name, failure] as const],
    );
    const {files, bytes} = data;
    cells.push({
      title,
      data: {files, bytes},
      results: summarize(all, data),
      failures: Object.fromEntries(failed),
    });
  }
  return cells;
}

/** Who takes part, and what is missing for the others. */
function choose(
  {peers, sync}: Options,
  {contenders = () => tools}: Workload,
  kind: string,
): {present: readonly Peer[]; absent: Record<string, readonly string[]>} {
  const asked = contenders(sync && kind !== 'tmpfs' ? 'direct' : 'cached').filter(
    ({name}) => !peers || peers.some((start) => name.startsWith(start)),
  );
  const absent = Object.fromEntries(
    asked.map((peer) => [peer.name, missing(peer)] as const).filter(([, needs]) => needs.length > 0),
  );
  for (const [name, needs] of Object.entries(absent)) {
    const message = `${name} needs ${needs.join(', ')}`;
    if (peers) throw new Error(message);
    console.log(`Left out: ${message}`);
  }
  const present = asked.filter(({name}) => !absent[name]);
  if (present.length === 0) throw new Error('there is nobody to compare');
  return {present, absent};
}

async function makeFolder(parent: string): Promise<string> {
  await mkdir(parent, {recursive: true});
  const folder = await mkdtemp(join(resolve(parent), 'bench-run-'));
  atEnd(() => rm(folder, {recursive: true, force: true, maxRetries: 3}));
  return folder;
}
