/**
 * Measures what the design promises in numbers, and prints a Markdown table.
 *
 *     npm run bench                      everything
 *     npm run bench -- --only journal    one of them; may be repeated
 */
import { parseArgs } from 'node:util';
import { benchCloud } from './cloud.ts';
import { benchFalseAlarms } from './false-alarms.ts';
import { benchJournal } from './journal.ts';
import { benchJudging } from './judging.ts';
import { benchLifecycle } from './lifecycle.ts';
import { benchPlanning } from './planning.ts';
import type { Bench, BenchRow } from './row.ts';
import { benchSshFanout } from './ssh-fanout.ts';
import { benchStartup } from './startup.ts';
import { benchTable } from './table.ts';

const benches: readonly Bench[] = [
  { name: 'startup', run: benchStartup },
  { name: 'planning', run: benchPlanning },
  { name: 'journal', run: benchJournal },
  { name: 'judging', run: benchJudging },
  { name: 'cloud', run: benchCloud },
  { name: 'ssh', run: benchSshFanout },
  { name: 'lifecycle', run: benchLifecycle },
  { name: 'false-alarms', run: benchFalseAlarms },
];

const { values } = parseArgs({ options: { only: { type: 'string', multiple: true } } });
const unknown = (values.only ?? []).filter((name) => !benches.some((bench) => bench.name === name));
if (unknown.length > 0) {
  process.stderr.write(
    `no bench is called ${unknown.join(', ')}; there are: ${benches.map((bench) => bench.name).join(', ')}\n`,
  );
  process.exit(2);
}

const rows: BenchRow[] = [];
for (const bench of benches) {
  if (values.only && !values.only.includes(bench.name)) continue;
  process.stderr.write(`${bench.name} ...\n`);
  rows.push(...(await bench.run()));
}
process.stdout.write(`${benchTable(rows)}\n`);
