/** `rollout fleet ENV`: every VM, must it have the agent and why, what runs there and since when that is known. */
import { countFleet, ELIGIBILITY_KINDS, type FleetRow } from '../../domain/fleet-view.ts';
import type { Eligibility } from '../../domain/host.ts';
import { type FleetQuestion, type FleetReport, reportFleet } from '../../engine/fleet-report.ts';
import { EXIT } from '../exit-codes.ts';
import { fleetQuestion } from '../fleet-question.ts';
import { type Invocation, textOption } from '../invocation.ts';
import { jsonLine } from '../json-lines.ts';
import { fleetLines } from '../render/fleet-view.ts';
import { sayRefused, withSession } from '../session.ts';

export async function run(invocation: Invocation): Promise<number> {
  const [name = ''] = invocation.args;
  const question = fleetQuestion(invocation);
  if (!question.ok) return sayRefused(invocation, [question.error]);
  const only = textOption(invocation, 'only');
  return withSession(invocation, async (session) => {
    const context = session.open(name);
    if (!context.ok) return sayRefused(invocation, [context.error]);
    const report = await reportFleet(context.value, withoutNeed(question.value, only), invocation.signal);
    if (!report.ok) return sayRefused(invocation, [report.error]);
    session.narrator.close();
    const shown = report.value.rows.filter((row) => isAskedFor(row, only));
    const exit = exitOf(report.value);
    if (invocation.json) sayJson(invocation, report.value, shown, exit);
    else invocation.output.out(fleetLines(report.value, shown, session.paint).join('\n'));
    return exit;
  });
}

/** Who is only asked for VMs that need not have the agent need not look at the others. */
function withoutNeed(question: FleetQuestion, only: string | undefined): FleetQuestion {
  const needsNoLook = only !== undefined && only !== 'eligible' && isEligibility(only);
  return needsNoLook && question.how.kind === 'look' ? { ...question, how: { kind: 'list' } } : question;
}

function isAskedFor({ eligibility, state }: FleetRow, only: string | undefined): boolean {
  if (only === undefined) return true;
  if (isEligibility(only)) return eligibility.kind === only;
  if (only === 'uncovered')
    return eligibility.kind === 'undecided' || (eligibility.kind === 'eligible' && state !== 'running');
  return eligibility.kind === 'eligible' && state === only;
}

function isEligibility(word: string): word is Eligibility['kind'] {
  return ELIGIBILITY_KINDS.some((kind) => kind === word);
}

/** What nobody could list comes before what did not answer: of that not even the names are known. */
function exitOf({ unknownZones, source, rows, recorded }: FleetReport): number {
  if (unknownZones.length > 0) return EXIT.held;
  const isSilent = ({ eligibility, state }: FleetRow): boolean =>
    eligibility.kind === 'eligible' && state === 'silent';
  if (source.kind === 'look' && rows.some(isSilent)) return EXIT.incomplete;
  return recorded === false ? EXIT.failed : EXIT.done;
}

function sayJson(
  invocation: Invocation,
  report: FleetReport,
  shown: readonly FleetRow[],
  exit: number,
): void {
  const { rows, since, ...rest } = report;
  jsonLine(invocation, 'fleet', { ...rest, shown: shown.length, counts: countFleet(rows), exit });
  for (const row of shown)
    jsonLine(invocation, 'vm', {
      environment: report.environment,
      ...row,
      uncoveredSince: since.get(row.id) ?? null,
    });
}
