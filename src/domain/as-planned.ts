/**
 * Where a rollout goes by what it was planned with although the files say something else by now. Pure.
 *
 * AP1  What is left out means the same as its default: a journal of an older program lacks what its policy did not know.
 * AP2  A value is compared as the journal keeps it, so that what was written and read again is the same.
 */
import { isFinished } from './fold.ts';
import { canonicalJson } from './journal.ts';
import type { GatePolicy, RolloutPolicy } from './policy.ts';
import type { RolloutState } from './state.ts';

/** Keys that are named in a sentence. */
const MOST_NAMED = 6;

/**
 * Keys as an environment's or a playbook's file has them, such as `soak` or `gates.agent-cpu.limit`, sorted. Empty where nothing differs,
 * and where the rollout has ended or goes back, since nothing of it counts any more.
 */
export function keysAsPlanned(rollout: RolloutState, file: RolloutPolicy): string[] {
  const { kind, phase, policy } = rollout;
  const goesBack = phase.kind === 'rolling-back' || phase.kind === 'rollback-incomplete';
  if (isFinished(rollout) || goesBack || kind === 'rollback') return [];
  const found = new Set<string>();
  compare(shown(policy), shown(file), '', found);
  return [...found].map(keyOf).sort();
}

/** Without its end mark. */
export function asPlannedWords(keys: readonly string[]): string {
  const more = keys.length - MOST_NAMED;
  const named = more > 0 ? `${keys.slice(0, MOST_NAMED).join(', ')} and ${more} more` : keys.join(', ');
  return `${named}: as planned, and not as the file has it now; a new rollout takes the file's`;
}

/** AP1. Gates by their names, so that one that was put before the others is no change of those. */
function shown({ gates, ...policy }: RolloutPolicy): object {
  return {
    approvedBy: 'anybody',
    database: 'keep',
    consecutiveErrors: 0,
    ...policy,
    gates: Object.fromEntries(gates.map(({ name, ...gate }) => [name, { ...GATE_DEFAULTS, ...gate }])),
  };
}

const GATE_DEFAULTS: Partial<GatePolicy> = {
  minSamples: 1,
  minCoverage: 0,
  weight: { kind: 'any' },
  failures: 1,
  noData: 'hold',
  backendErrors: 'hold',
};

function compare(planned: unknown, file: unknown, path: string, found: Set<string>): void {
  if (isBranch(planned) && isBranch(file)) {
    for (const key of new Set([...Object.keys(planned), ...Object.keys(file)]))
      compare(planned[key], file[key], path === '' ? key : `${path}.${key}`, found);
    return;
  }
  if (textOf(planned) !== textOf(file)) found.add(path);
}

/** A map of keys, and not a value such as a bound or a source, which is one key's. */
function isBranch(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !('kind' in value);
}

/** AP2. */
function textOf(value: unknown): string {
  return value === undefined ? '' : canonicalJson(value);
}

/** What the policy has in another place, or by another name, than the files; the longest that fits counts. */
const NAMES: readonly (readonly [policy: string, file: string])[] = [
  ['armedRevert.guard', 'guard'],
  ['armedRevert', 'revertTimer'],
  ['pacing.intervals', 'pacing'],
  ['sampleDelay', 'prometheus.delay'],
  ['stepTimeouts', 'steps'],
];

const UNITS = /(?:Ms|PerS|Percent|Bytes)$/u;

function keyOf(path: string): string {
  // A gate as a whole is called as somebody called it.
  if (/^gates\.[^.]*$/u.test(path)) return path;
  const bare = path.replace(UNITS, '');
  const renamed = NAMES.find(([policy]) => bare === policy || bare.startsWith(`${policy}.`));
  const key = renamed === undefined ? bare : `${renamed[1]}${bare.slice(renamed[0].length)}`;
  return key.startsWith('steps.') ? `${key}.timeout` : key;
}
