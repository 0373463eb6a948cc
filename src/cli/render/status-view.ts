/** Where an environment stands, in a few lines that can be read at 03:00: state, why, what is wrong, what to type. */
import { goingBackWords, hasGoneBack } from '../../domain/armed.ts';
import { asPlannedWords } from '../../domain/as-planned.ts';
import { causeInWords } from '../../domain/decide-rollback.ts';
import { formatDuration } from '../../domain/duration.ts';
import { holdsOf } from '../../domain/holds.ts';
import { standingWords } from '../../domain/host-standing.ts';
import type { HostProgress, RolloutState, Stop } from '../../domain/state.ts';
import type { EnvironmentStatus } from '../../engine/status.ts';
import { outcomeInWords } from './entry-line.ts';
import { fitColumns } from './fit-columns.ts';
import { heldWords } from './held-words.ts';
import { holderLine } from './holder-text.ts';
import { dueHoldsText } from './holds-view.ts';
import { columns, count, facts, harmless, moment, NARROWEST, type Paint, someOf } from './paint.ts';
import { kindWord, outcomeWord } from './phase-word.ts';
import { verdictLines } from './verdict-table.ts';
import { whyText } from './why-text.ts';

/** Hosts in trouble that are listed one by one. */
const MOST_LISTED = 20;

/** `now`: ms since the epoch, to tell holds that are due. */
export function statusLines(status: EnvironmentStatus, now: number, paint: Paint): string[] {
  const { name, state, holder } = status;
  const { pin, rollout } = state;
  const rows: [string, string][] = [['pin', pin === null ? 'none yet' : pin.version]];
  const proven = state.receipts.at(-1);
  if (proven !== undefined)
    rows.push([
      'proven',
      `${proven.version} (${proven.rolloutId}, ${formatDuration(proven.observedMs)} observed)`,
    ]);
  if (state.quarantine.length > 0) {
    rows.push([
      'quarantine',
      state.quarantine.map((held) => `${held.version} ${held.sha256.slice(0, 12)}`).join(', '),
    ]);
  }
  const held = holdsText(status, now, paint);
  if (held !== null) rows.push(['holds', held]);
  if (rollout === null) return [`${paint.strong(name)}  no rollout yet`, ...facts(rows, paint)];
  rows.push(...rolloutRows(status, rollout, now));
  const { asPlanned = [] } = status;
  if (asPlanned.length > 0) rows.push(['file', asPlannedWords(asPlanned)]);
  rows.push(...wayBackRows(status, rollout, now));
  if (holder !== null) {
    rows.push(['at work', holderLine(holder)]);
  } else if (status.reason !== null)
    rows.push(['at work', 'nobody: it goes on when somebody types the command below']);
  const next = status.next ?? reportOf(name, rollout);
  if (next !== null) rows.push(['next', paint.strong(next)]);
  return [
    `${paint.strong(name)}  ${kindWord(rollout.kind)} ${rollout.version}  ${phaseWord(rollout, paint)}`,
    ...facts(rows, paint),
    ...judgementOf(rollout, paint),
    ...troubleLines(rollout, paint),
  ];
}

/** What is asked first after a version came back: why. Null where nothing did. */
function reportOf(name: string, { phase }: RolloutState): string | null {
  return phase.kind === 'rolled-back' && phase.cause.kind !== 'canary-finished'
    ? `rollout report ${name} gathers all that is known of it`
    : null;
}

/** Hosts that a stop has left stopped; those past their end by name. */
function holdsText({ name, state }: EnvironmentStatus, now: number, paint: Paint): string | null {
  const holds = holdsOf(state, now);
  if (holds.length === 0) return null;
  const due = dueHoldsText(holds);
  return `${heldWords(holds, 'host')}${due === null ? '' : `; ${paint.bad(due)}`} (rollout holds ${name})`;
}

/** The newest judgement of a watch, or the one that a rollback rests on. */
function judgementOf({ phase }: RolloutState, paint: Paint): string[] {
  if ('watch' in phase && phase.watch.last !== null) return verdictLines(phase.watch.last, paint);
  return 'cause' in phase && phase.cause.kind === 'verdict' ? verdictLines(phase.cause.judgement, paint) : [];
}

function phaseWord(rollout: RolloutState, paint: Paint): string {
  const { phase, stop } = rollout;
  const where = 'wave' in phase ? ` wave ${phase.wave + 1}/${rollout.waveCount}` : '';
  if (stop !== null) return paint.warn(`${stop.kind.toUpperCase()} (${phase.kind}${where})`);
  return outcomeWord(rollout, paint) ?? `${phase.kind}${where}`;
}

function rolloutRows(
  { reason, until, state }: EnvironmentStatus,
  rollout: RolloutState,
  now: number,
): [string, string][] {
  const rows: [string, string][] = [];
  const { phase } = rollout;
  rows.push([
    'rollout',
    `${rollout.id}, planned ${moment(rollout.plannedAt)} by ${rollout.plannedBy.user}@${rollout.plannedBy.hostname}${rollout.change === '' ? '' : `, change ${harmless(rollout.change)}`}${rollout.reason === '' ? '' : `: ${harmless(rollout.reason)}`}`,
  ]);
  const states = standingWords(rollout, { now, held: new Set(state.holds.keys()) });
  rows.push(['hosts', states.length === 0 ? 'none needed a change' : states.join(', ')]);
  const late = rollout.leftOut.filter(({ id }) => rollout.newcomers.has(id));
  if (late.length > 0) {
    const told = late.map(({ name, why }) => `${name} (${whyText(why)})`);
    rows.push(['not in it', `new since the plan: ${someOf(told, 10)}`]);
  }
  if ('watch' in phase) {
    const needed = phase.kind === 'soaking' ? rollout.policy.soakMs : rollout.policy.bakeMs;
    const missing = Math.max(0, needed - phase.watch.observedMs);
    rows.push([
      phase.kind === 'soaking' ? 'soak' : 'bake',
      `${formatDuration(phase.watch.observedMs)} of ${formatDuration(needed)} observed healthy, ${formatDuration(missing)} to go`,
    ]);
  }
  if ('cause' in phase) rows.push(['why', harmless(causeInWords(phase.cause))]);
  // While it is looked at, the reason of the moment is another one; who has paused it must be seen all the same.
  if (rollout.stop?.kind === 'paused' && reason?.code !== 'paused')
    rows.push(['paused', pausedText(rollout.stop)]);
  if (reason !== null)
    rows.push([
      'waits for',
      harmless(
        reason.code === 'paused'
          ? reason.message
          : `${reason.code}: ${reason.message}${until === null ? '' : ` (looks again ${moment(until)})`}`,
      ),
    ]);
  return rows;
}

function pausedText({ by, since, reason }: Extract<Stop, { kind: 'paused' }>): string {
  return `${moment(since)} by ${by.user}@${by.hostname}${reason === '' ? '' : `: ${harmless(reason)}`}`;
}

/** Who goes back by itself and when, and who has. */
function wayBackRows(
  { goesBack }: EnvironmentStatus,
  rollout: RolloutState,
  now: number,
): [string, string][] {
  const rows: [string, string][] = [];
  const words = goesBack === null ? null : goingBackWords(rollout, now, 'unless told otherwise');
  if (words !== null) rows.push(['goes back', words]);
  const back = [...rollout.hosts.values()].filter(({ wentBack }) => wentBack > 0);
  if (back.length > 0) {
    const told = back.map(({ host, wentBack }) =>
      wentBack === 1 ? host.name : `${host.name} (${wentBack} times)`,
    );
    rows.push(['went back', `by itself, since nobody was heard in time: ${someOf(told, 10)}`]);
  }
  return rows;
}

const QUIET = new Set(['pending', 'verified', 'gone', 'reverted']);

function troubleLines(rollout: RolloutState, paint: Paint): string[] {
  const troubled = [...rollout.hosts.values()].filter(
    (host) => !QUIET.has(host.state) || host.troubleSince !== null || hasGoneBack(host),
  );
  if (troubled.length === 0) return [];
  const rows = troubled.slice(0, MOST_LISTED).map((host) => troubleRow(host));
  const more = troubled.length - MOST_LISTED;
  return [
    paint.dim(`  ${count(troubled.length, 'host')} not settled`),
    ...columns(fitted(rows, paint), paint.width - 4).map((row) => `    ${row}`),
    ...(more > 0 ? [`    and ${more} more`] : []),
  ];
}

/** Since when goes first: what became of the host is to be read. */
function fitted(rows: readonly (readonly string[])[], paint: Paint): readonly (readonly string[])[] {
  const width = paint.width - 4 - NARROWEST;
  return fitColumns(rows, { width, leastFirst: [2], isLastFree: true }).rows;
}

function troubleRow(host: HostProgress): string[] {
  const outcome = host.outcome === null ? '' : outcomeInWords(host.outcome);
  const since = host.troubleSince === null ? '' : `since ${moment(host.troubleSince)}`;
  return [host.host.name, host.state, since, outcome];
}
