/** `rollout coverage [ENV]`: the compliance table; fails below the target, and is held by what nobody knows. */
import { coverageReport } from '../../domain/coverage-report.ts';
import type { Gauge } from '../../domain/own-measures.ts';
import { refuse } from '../../engine/context.ts';
import { reportFleet } from '../../engine/fleet-report.ts';
import { EXIT } from '../exit-codes.ts';
import { fleetQuestion } from '../fleet-question.ts';
import { type Invocation, textOption } from '../invocation.ts';
import { JSON_VERSION, jsonLine } from '../json-lines.ts';
import { coverageCsv } from '../render/coverage-csv.ts';
import { coverageMarkdown } from '../render/coverage-markdown.ts';
import { type Coverage, coverageLines, headline } from '../render/coverage-view.ts';
import { createPaint, harmless } from '../render/paint.ts';
import { sendWaitingOf } from '../send-waiting.ts';
import { type Session, sayRefused, withSession } from '../session.ts';

export async function run(invocation: Invocation): Promise<number> {
  const [only] = invocation.args;
  const question = fleetQuestion(invocation);
  if (!question.ok) return sayRefused(invocation, [question.error]);
  const format = textOption(invocation, 'format') ?? 'table';
  if (invocation.json && format !== 'table') {
    const next = '--format json is one document, --json one line an environment';
    return sayRefused(invocation, [
      refuse('usage', 'two-formats', `--json and --format ${format} exclude each other`, { next }),
    ]);
  }
  return withSession(invocation, async (session) => {
    let worst: number = EXIT.done;
    const done: Coverage[] = [];
    // An environment that cannot be used is not covered by silence.
    const names =
      only === undefined ? [...session.names, ...session.unusable.map(({ name }) => name)] : [only];
    if (names.length === 0) {
      const next = '--config DIR names the folder that holds environments/';
      return sayRefused(invocation, [
        refuse('usage', 'no-environments', 'there is no environment', { next }),
      ]);
    }
    await sendWaitingOf(session, names);
    for (const name of names) {
      const context = session.open(name);
      const fleet = context.ok
        ? await reportFleet(context.value, { ...question.value, needsJournal: true }, invocation.signal)
        : context;
      if (!fleet.ok && fleet.error.exit === 'interrupted') return sayRefused(invocation, [fleet.error]);
      if (!context.ok || !fleet.ok) {
        worst = Math.max(worst, sayRefused(invocation, fleet.ok ? [] : [fleet.error]));
        continue;
      }
      const { source } = fleet.value;
      const isPast = source.kind === 'recorded';
      const report = coverageReport({
        environment: context.value.environment,
        rows: fleet.value.rows,
        unknownZones: fleet.value.unknownZones,
        pin: fleet.value.pin,
        since: fleet.value.since,
        at: isPast ? source.asked : source.at,
        isPast,
      });
      done.push({ fleet: fleet.value, report });
      if (!isPast) session.own.tell(name, coverageGauges(report));
    }
    session.narrator.close();
    show(session, done, format);
    return Math.max(worst, ...done.map(exitOf));
  });
}

function coverageGauges({ environment, percent, target }: Coverage['report']): Gauge[] {
  const labels = { environment };
  return [
    ...(percent === null ? [] : [{ name: 'rollout_coverage_percent', labels, value: percent } as const]),
    { name: 'rollout_coverage_target_percent', labels, value: target },
  ];
}

function exitOf({ fleet, report }: Coverage): number {
  switch (report.verdict) {
    case 'held':
      return EXIT.held;
    case 'below-target':
      return EXIT.failed;
    case 'met':
      return fleet.recorded === false ? EXIT.failed : EXIT.done;
    default:
      return report.verdict satisfies never;
  }
}

function show({ invocation, paint }: Session, done: readonly Coverage[], format: string): void {
  const { output } = invocation;
  if (invocation.json) {
    for (const one of done) jsonLine(invocation, 'coverage', fieldsOf(one));
    return;
  }
  switch (format) {
    case 'json':
      output.out(
        JSON.stringify(
          { v: JSON_VERSION, type: 'coverage-report', environments: done.map(fieldsOf) },
          null,
          2,
        ),
      );
      return;
    case 'csv':
      output.out(coverageCsv(done));
      // A list of VMs does not say what is made of it.
      for (const { report } of done)
        output.err(harmless(`${report.environment}: ${headline(report, createPaint(false))}`));
      return;
    case 'markdown':
      output.out(coverageMarkdown(done));
      return;
    default:
      if (done.length > 0) output.out(done.map((one) => coverageLines(one, paint).join('\n')).join('\n\n'));
  }
}

function fieldsOf(one: Coverage): Record<string, unknown> {
  const { source, notes, recorded } = one.fleet;
  return { ...one.report, source, notes, recorded, exit: exitOf(one) };
}
