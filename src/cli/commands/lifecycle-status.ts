/** `osqueryd status`: what runs where, asked of every host at once; changes nothing. */
import { systemClock } from '../../adapters/clock/system-clock.ts';
import { bySeverity, severityOf } from '../../domain/status-groups.ts';
import { askStatus } from '../../engine/ask-status.ts';
import { refuse } from '../../engine/context.ts';
import type { Selection, StatusAnswer } from '../../engine/lifecycle-types.ts';
import { EXIT } from '../exit-codes.ts';
import type { Invocation } from '../invocation.ts';
import { jsonLine } from '../json-lines.ts';
import { type GatheredAll, gatherAll } from '../lifecycle-choice.ts';
import { openEnvironments } from '../lifecycle-environments.ts';
import { durationAsked, type Scope, scopeAsked } from '../lifecycle-question.ts';
import type { NotBegun } from '../render/action-end.ts';
import {
  agentRows,
  countSeverities,
  groupLines,
  headline,
  type PlacedAnswer,
} from '../render/agent-status-view.ts';
import { inventoryWords } from '../render/lifecycle-words.ts';
import { count, facts, harmless, someOf } from '../render/paint.ts';
import { sendWaitingFirst } from '../send-waiting.ts';
import { type Session, sayRefused, withSession } from '../session.ts';

/** Beyond so many hosts the fleet is shown in groups. */
const MOST_ROWS = 40;

export async function run(invocation: Invocation): Promise<number> {
  const scope = scopeAsked(invocation, 'status');
  if (!scope.ok) return sayRefused(invocation, [scope.error]);
  const sample = durationAsked(invocation, 'sample');
  if (!sample.ok) return sayRefused(invocation, [sample.error]);
  const sampleMs = sample.value ?? 0;
  if (sampleMs > MAX_SAMPLE_MS)
    return sayRefused(invocation, [
      refuse('usage', 'bad-duration', '--sample takes at most 60s: every host is kept waiting for so long'),
    ]);
  return withSession(invocation, (session) => showAgents(session, scope.value, sampleMs));
}

const MAX_SAMPLE_MS = 60_000;

async function showAgents(session: Session, scope: Scope, sampleMs: number): Promise<number> {
  const { invocation } = session;
  const opened = openEnvironments(session, scope.environments, { polarity: 'emergency', wide: true });
  if (!opened.ok) return sayRefused(invocation, opened.error);
  const sending = sendWaitingFirst(session, opened.value.contexts);
  const selection = everythingUnless(scope.selection);
  invocation.output.live('listing the hosts ...');
  const all = await gatherAll(opened.value.contexts, { selection, polarity: 'emergency' }, invocation.signal);
  invocation.output.live('');
  if (all.targets.length === 0) return sayRefused(invocation, all.refusals);
  const total = all.targets.reduce((sum, { targets }) => sum + targets.chosen.length, 0);
  const lost = lostWords(selection, all);
  if (total === 0)
    return sayRefused(invocation, [
      refuse('failed', 'no-host', 'no host matches', {
        details: lost,
        next: 'without --host and --where all are shown',
      }),
    ]);
  const answers: PlacedAnswer[] = [];
  const take = (environment: string, answer: StatusAnswer): void => {
    const placed = { environment, ...answer };
    answers.push(placed);
    if (invocation.json) jsonLine(invocation, 'agent-status', agentFields(placed));
    else invocation.output.live(`${answers.length}/${total} answered`);
  };
  await Promise.all(
    all.targets.map(({ context, targets }) =>
      askStatus(
        context,
        targets.chosen,
        { sampleMs, onAnswer: (answer) => take(targets.environment, answer) },
        invocation.signal,
      ),
    ),
  );
  await sending;
  session.narrator.close();
  const notAsked = [...opened.value.notBegun, ...all.notBegun];
  const exit = exitOf(answers, notAsked, invocation.signal.aborted);
  if (invocation.json) sayJson(invocation, { all, answers, notAsked, lost, exit });
  else sayWords(session, { all, answers, notAsked, lost, exit });
  return exit;
}

function everythingUnless(selection: Selection): Selection {
  const nothing = !selection.fleet && selection.hosts.length === 0 && selection.where === null;
  return nothing ? { ...selection, fleet: true } : selection;
}

function lostWords({ hosts, except }: Selection, { targets }: GatheredAll): string[] {
  const words = [...new Set([...hosts, ...except])];
  return words
    .filter((word) => targets.every((one) => one.targets.unmatched.includes(word)))
    .map((word) => `${word} names no host`);
}

/** What the agents do is told, not judged: a stopped one may be meant. What could not be asked is no answer. */
function exitOf(
  answers: readonly PlacedAnswer[],
  notAsked: readonly NotBegun[],
  isCalledOff: boolean,
): number {
  if (isCalledOff) return EXIT.interrupted;
  const silent = answers.some(({ answer }) => answer.kind === 'none');
  return silent || notAsked.length > 0 ? EXIT.incomplete : EXIT.done;
}

interface Shown {
  readonly all: GatheredAll;
  readonly answers: readonly PlacedAnswer[];
  readonly notAsked: readonly NotBegun[];
  readonly lost: readonly string[];
  readonly exit: number;
}

function agentFields({ environment, host, answer, tookMs }: PlacedAnswer): Record<string, unknown> {
  const { id, name, zone, role } = host;
  const severity = severityOf({ answer }, systemClock.now());
  return { environment, host: { id, name, zone, role }, severity, ...answer, tookMs };
}

function sayJson(invocation: Invocation, { all, answers, notAsked, lost, exit }: Shown): void {
  jsonLine(invocation, 'agent-statuses', {
    environments: all.targets.map(({ targets }) => ({
      environment: targets.environment,
      inventory: targets.inventory,
      hosts: targets.chosen.length,
      leftOut: targets.leftOut.map(({ host, why }) => ({ id: host.id, name: host.name, why })),
    })),
    notAsked,
    unmatched: lost,
    hosts: answers.length,
    severities: countSeverities(answers, systemClock.now()),
    exit,
  });
}

function sayWords({ invocation, paint }: Session, shown: Shown): void {
  const { all, answers, notAsked, lost } = shown;
  const now = systemClock.now();
  const grouped = invocation.options.group ?? answers.length > MOST_ROWS;
  const environments = all.targets.map(({ targets }) => targets.environment);
  const rows: [string, string][] = [];
  for (const { targets } of all.targets) {
    if (targets.inventory.kind !== 'listed')
      rows.push(['list', paint.bad(`${targets.environment}: ${inventoryWords(targets.inventory, now)}`)]);
    const { leftOut } = targets;
    if (leftOut.length > 0)
      rows.push([
        'not asked',
        `${targets.environment}: ${count(leftOut.length, 'VM')} that need not have the agent: ${someOf(
          leftOut.map(({ host }) => harmless(host.name)),
          3,
        )}`,
      ]);
  }
  for (const { environment, why } of notAsked)
    rows.push(['not asked', paint.bad(`${environment}: ${harmless(why)}`)]);
  for (const word of lost) rows.push(['no host', paint.warn(harmless(word))]);
  const sorted = [...answers].sort(bySeverity(now));
  invocation.output.out(
    [
      headline(answers, environments, now, paint),
      ...facts(rows, paint),
      ...(grouped === true ? groupLines(answers, now, paint) : agentRows(sorted, now, paint)),
    ].join('\n'),
  );
}
