/** What a lifecycle command is about to do, before it is asked for: how many hosts, of which roles, and who is left out. */
import type { LifecycleVerb } from '../../domain/lifecycle.ts';
import type { Polarity, RoleFilePlan, Targets } from '../../engine/lifecycle-types.ts';
import type { PlannedRoleFileEdit } from '../../ports/role-files.ts';
import { inventoryWords, leftOutWord } from './lifecycle-words.ts';
import { count, facts, harmless, type Paint, someOf } from './paint.ts';

/** Names of left-out hosts that are shown; --json has all. */
const MOST_LEFT_OUT = 10;

/** One environment's part of what is about to be done. */
export interface PlannedAction {
  readonly action: {
    readonly targets: Targets;
    /** Of the chosen: hosts of whom nobody has said whether they must have the agent. */
    readonly undecided: readonly string[];
  };
  readonly request: { readonly roleFiles?: RoleFilePlan };
}

export interface PlanViewOptions {
  readonly verb: LifecycleVerb;
  readonly polarity: Polarity;
  readonly now: number;
}

export function actionPlanLines(
  plans: readonly PlannedAction[],
  options: PlanViewOptions,
  paint: Paint,
): string[] {
  return plans.flatMap((plan) => environmentLines(plan, options, paint));
}

function environmentLines(plan: PlannedAction, options: PlanViewOptions, paint: Paint): string[] {
  const { targets, undecided } = plan.action;
  const { edits = [], failed = [], notes = [] } = plan.request.roleFiles ?? {};
  const { chosen, leftOut, inventory, unknown } = targets;
  const roles =
    chosen.length === 0 ? '' : `: ${tally(chosen.map(({ role }) => (role === '' ? 'no role' : role)))}`;
  const rows: [string, string][] = [];
  const listed = inventoryWords(inventory, options.now);
  rows.push(['list', inventory.kind === 'listed' ? listed : paint.bad(listed)]);
  if (undecided.length > 0)
    rows.push([
      'undecided',
      paint.warn(
        `${undecided.length} of these: nobody has said whether they must have the agent: ${someOf(undecided, MOST_LEFT_OUT)}`,
      ),
    ]);
  if (leftOut.length > 0) rows.push(['left out', leftOutText(leftOut)]);
  if (unknown.length > 0)
    rows.push([
      'not known',
      paint.bad(
        someOf(
          unknown.map(({ host, why }) => `${host.name}: ${harmless(why)}`),
          MOST_LEFT_OUT,
        ),
      ),
    ]);
  for (const { file, result } of failed)
    if (result.kind === 'failed')
      rows.push(['role file', paint.bad(`${harmless(file)}: ${harmless(result.message)}`)]);
  for (const note of notes) rows.push(['role file', paint.warn(harmless(note))]);
  return [
    `${paint.strong(targets.environment)}  ${options.verb} ${count(chosen.length, 'host')}${roles}`,
    ...facts(rows, paint),
    ...edits.flatMap((planned) => diffLines(planned, paint)),
  ];
}

/** `gke-1, gke-2 (exempt, built-in:gke-node: ...); win-1 (unsupported)`: at most ten names, then a count. */
function leftOutText(leftOut: Targets['leftOut']): string {
  const groups = new Map<string, string[]>();
  for (const { host, why } of leftOut.slice(0, MOST_LEFT_OUT)) {
    const word = leftOutWord(why);
    groups.set(word, [...(groups.get(word) ?? []), harmless(host.name)]);
  }
  const told = [...groups].map(([word, names]) => `${names.join(', ')} (${word})`);
  const more = leftOut.length - MOST_LEFT_OUT;
  return `${leftOut.length}: ${told.join('; ')}${more > 0 ? `; and ${more} more (--json lists all)` : ''}`;
}

/** `2 api, 4 web`, the largest first. */
export function tally(items: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  const all = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  return someOf(
    all.map(([item, n]) => `${n} ${harmless(item)}`),
    12,
  );
}

function diffLines({ edit, diff }: PlannedRoleFileEdit, paint: Paint): string[] {
  if (diff === '') return [`  ${paint.dim('role file')}  ${harmless(edit.file)}: is so already`];
  const where = edit.branch === null ? 'not committed' : `committed to ${harmless(edit.branch)}`;
  return [
    `  ${paint.dim('role file')}  ${harmless(edit.file)} (${where})`,
    ...diff
      .trimEnd()
      .split('\n')
      .map((line) => `    ${diffLine(line, paint)}`),
  ];
}

function diffLine(line: string, paint: Paint): string {
  const text = line.replaceAll('\t', '  ');
  // Leading blanks mean something in a diff.
  const clean = `${/^ */.exec(text)?.[0] ?? ''}${harmless(text)}`;
  if (clean.startsWith('+') && !clean.startsWith('+++')) return paint.good(clean);
  return clean.startsWith('-') && !clean.startsWith('---') ? paint.bad(clean) : clean;
}
