// `npm run faults:table`: writes what the tests counted (build/faults.jsonl) into the table of docs/reliability.md.
import {readFileSync, writeFileSync} from 'node:fs';

const page = 'docs/reliability.md';
const [begin, end] = ['<!-- table: begin -->\n', '<!-- table: end -->\n'];

// A test that ran again counts as it ran last; several tests may count for one row.
const tests = new Map();
for (const line of readFileSync('build/faults.jsonl', 'utf8').trimEnd().split('\n')) {
  const counted = JSON.parse(line);
  tests.delete(counted.test);
  tests.set(counted.test, counted);
}
const rows = new Map();
for (const {fault, runs, losses} of tests.values()) {
  const row = rows.get(fault) ?? {runs: 0, losses: 0};
  rows.set(fault, {runs: row.runs + runs, losses: row.losses + losses});
}

const number = new Intl.NumberFormat('en-US');
const all = [...rows].toSorted(([one], [other]) => (one < other ? -1 : 1));
const table = ['| fault | runs | losses |', '| --- | --- | --- |'];
for (const [fault, {runs, losses}] of all) {
  table.push(`| ${fault} | ${number.format(runs)} | ${number.format(losses)} |`);
}
const sum = (key) => number.format(all.reduce((total, [, row]) => total + row[key], 0));
table.push(`| **all** | ${sum('runs')} | ${sum('losses')} |`);

const text = readFileSync(page, 'utf8');
const [before, rest] = text.split(begin);
const after = rest?.split(end)[1];
if (after === undefined) throw new Error(`${page} has no place for the table`);
writeFileSync(page, `${before}${begin}\n${table.join('\n')}\n\n${end}${after}`);
console.log(`${page}: ${all.length} kinds of faults, ${sum('runs')} runs, ${sum('losses')} losses`);
