/** A prepared plan for people: waves, bounds, gates, who is left out and by what rule. */
import { formatDuration } from '../../domain/duration.ts';
import { gateRuleWords } from '../../domain/gate-rule-words.ts';
import type { LeftOutHost, PlannedWave } from '../../domain/plan.ts';
import type { Bound, RolloutPolicy } from '../../domain/policy.ts';
import { personOf } from '../../domain/second-person.ts';
import { isTeller } from '../../domain/witness.ts';
import type { EngineContext } from '../../engine/context.ts';
import type { PlanNote } from '../../engine/plan-notes.ts';
import type { PreparedPlan } from '../../engine/prepare-plan.ts';
import { fitColumns } from './fit-columns.ts';
import { columns, count, hanging, harmless, moment, NARROWEST, type Paint, someOf } from './paint.ts';
import { whyText } from './why-text.ts';

export interface PlanViewOptions {
  /** Before a rollout: counts instead of every name. */
  readonly brief: boolean;
  readonly notes: readonly PlanNote[];
}

export function planLines(
  context: EngineContext,
  { plan, release, fleet, pace }: PreparedPlan,
  paint: Paint,
  { brief, notes }: PlanViewOptions,
): string[] {
  const { name, policy, promotesFrom } = context.environment;
  const total = plan.waves.reduce((sum, wave) => sum + wave.hosts.length, 0);
  const after = promotesFrom === null ? '' : `, after ${promotesFrom}`;
  const lines = [
    `${paint.strong(name)}  ${release.version}${after}: ${count(total, 'host')} in ${count(plan.waves.length, 'wave')}, of ${count(fleet.hosts.length, 'VM')} in the inventory`,
  ];
  for (const artifact of Object.values(release.artifacts)) {
    const text = `${artifact.originalFileName} sha256 ${artifact.sha256}`;
    lines.push(...hanging(`  ${artifact.architecture}  `, text, paint.width));
  }
  lines.push(
    ...columns(
      plan.waves.map((wave) => waveRow(wave, brief)),
      paint.width - 2,
    ).map((row) => `  ${row}`),
  );
  const { environment, zone, role } = policy.waves.maxUnavailable;
  const bounds = `at most ${boundText(environment)} of the environment, ${boundText(zone)} of a zone and ${boundText(role)} of a role out of service at once`;
  const times = `each wave soaks ${formatDuration(policy.soakMs)}, then ${name} bakes ${formatDuration(policy.bakeMs)}, observed healthy`;
  lines.push(...hanging('  ', bounds, paint.width), ...hanging('  ', times, paint.width));
  const approval = approvalWords(context, plan.waves.length);
  if (approval !== null) lines.push(...hanging('  ', approval, paint.width));
  if (!brief) lines.push(...hanging('  back  ', wayBackWords(policy), paint.width));
  if (pace !== null) lines.push(...hanging('  pace  ', pace.words, paint.width));
  if (!brief) lines.push(...gateLines(context, paint));
  lines.push(...leftOutLines(plan.leftOut, paint, brief), ...lapsedLines(fleet, paint));
  // Last, next to the question or the blockers: what is left out may be long.
  lines.push(...notes.flatMap((note) => noteLines(note, paint)));
  return lines;
}

/** Hosts that were exempt until their rule's end date: whoever wrote it may have meant to prolong it. */
function lapsedLines({ hosts }: PreparedPlan['fleet'], paint: Paint): string[] {
  const byRule = new Map<string, { readonly told: string; readonly names: string[] }>();
  for (const { host, eligibility } of hosts) {
    if (eligibility.kind !== 'eligible' || eligibility.lapsed === undefined) continue;
    const { rule, reason, until } = eligibility.lapsed;
    const told = `${rule} (${harmless(reason)}) ended ${moment(until)}`;
    const known = byRule.get(rule);
    if (known === undefined) byRule.set(rule, { told, names: [host.name] });
    else known.names.push(host.name);
  }
  return [...byRule.values()].flatMap(({ told, names }) =>
    hanging(
      '  ',
      `${told}: ${count(names.length, 'host')} must have the agent again: ${someOf(names, 8)}`,
      paint.width,
    ).map((line) => paint.warn(line)),
  );
}

function waveRow(wave: PlannedWave, brief: boolean): string[] {
  const label = wave.index === 0 ? 'wave 1 (canary)' : `wave ${wave.index + 1}`;
  const versions = tally(wave.hosts.map((host) => host.from.packageVersion));
  const roles = tally(wave.hosts.map((host) => host.role));
  const names = wave.hosts.map((host) => host.name);
  return [
    label,
    count(wave.hosts.length, 'host'),
    `from ${versions}`,
    brief && wave.hosts.length > 8 ? roles : someOf(names, brief ? 8 : 200),
  ];
}

function tally(items: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return [...counts].map(([item, n]) => (counts.size === 1 ? item : `${n} ${item}`)).join(', ');
}

export function boundText(bound: Bound): string {
  return bound.kind === 'percent' ? `${bound.percent} %` : count(bound.count, 'host');
}

/** Whom it waits for behind the canaries, if it were begun by whoever asks; null: for nobody. */
function approvalWords(
  { environment: { name, policy }, actor }: EngineContext,
  waves: number,
): string | null {
  if (policy.approval !== 'after-canary' || waves < 2) return null;
  const who =
    policy.approvedBy === 'second-person'
      ? `somebody else than whoever begins it (now ${harmless(personOf(actor))}, approvedBy: second-person)`
      : 'a person';
  return `after wave 1 it waits for the approval of ${who}: rollout approve ${name} --reason TEXT`;
}

/** What going back from it would be like. */
function wayBackWords({ armedRevert, database }: RolloutPolicy): string {
  const alone =
    armedRevert === undefined
      ? 'hosts that hear from nobody stay on the version (revertTimer: none)'
      : `each host goes back by itself ${formatDuration(armedRevert.afterMs)} after it last heard from us, until ${armedRevert.disarm === 'after-proof' ? 'it is proven' : 'its wave was seen healthy'}`;
  const aside =
    database === 'move-aside'
      ? 'its database is moved aside, at the price of a new enrolment, of events not sent yet, and of every row sent again'
      : 'the agent does not start there before somebody moves its database aside (database: move-aside)';
  return `${alone}; where the older agent cannot read what the newer one wrote, ${aside}`;
}

/** What begins later than now, and what else whoever begins it would meet. */
function noteLines({ code, message }: PlanNote, paint: Paint): string[] {
  const label = code === 'frozen' || code === 'outside-window' ? '  now   ' : '  note: ';
  return hanging(paint.warn(label), harmless(message), paint.width);
}

function gateLines(context: EngineContext, paint: Paint): string[] {
  const { policy, witnesses } = context.environment;
  const rows = policy.gates.map((gate) => {
    const settings = gate.source?.kind === 'witness' ? witnesses?.[gate.source.witness] : undefined;
    return [gate.name, gateRuleWords(gate, isTeller(settings?.kind))];
  });
  return [paint.dim('  gates'), ...columns(rows, paint.width - 4).map((row) => `    ${row}`)];
}

function leftOutLines(leftOut: readonly LeftOutHost[], paint: Paint, brief: boolean): string[] {
  if (leftOut.length === 0) return [];
  if (brief) {
    const kinds = tally(leftOut.map((host) => host.why.kind));
    return [`  left out: ${leftOut.length} (${kinds}); rollout plan lists them with the reason`];
  }
  const rows = leftOut.map((host) => [host.name, host.role, host.zone, host.why.kind, whyText(host.why)]);
  // Zone, then role.
  const room = { width: paint.width - 4 - NARROWEST, leastFirst: [2, 1], isLastFree: true };
  const shown = fitColumns(rows, room).rows;
  return [paint.dim('  left out'), ...columns(shown, paint.width - 4).map((row) => `    ${row}`)];
}
