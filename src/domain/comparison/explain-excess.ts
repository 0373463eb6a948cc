/**
 * Are changed hosts over the limit for a reason that the hosts not changed yet share? Then the version is not blamed for it. Pure.
 *
 * X1  One host is excused where it is worse by less than matters than what its control hosts explain: they have risen alike, or it was as
 *     high before. The number compared must be over the limit itself: a median of a calm time says nothing about a burst in it.
 * X2  All of them are excused where control hosts are over the limit as well, and not significantly fewer of them (Fisher's exact test).
 *     Where there are too few hosts to tell, so that not even a control without any would be significantly fewer, chance must be as likely
 *     as not, or at least half of the control hosts be over it: one of thirty does not excuse the only one of its kind.
 * X3  A comparison that found the changed hosts worse excuses nobody.
 */
import type { HostId } from '../host.ts';
import type { GatePolicy } from '../policy.ts';
import { isWorse } from '../step-track.ts';
import { type Compared, reaches } from './compared.ts';
import type { HostNumber } from './host-numbers.ts';

export interface ToExplain {
  readonly gate: Pick<GatePolicy, 'direction' | 'limit'>;
  readonly compared: Compared;
  /** Ids of changed hosts over the limit for as long as `for` has it. */
  readonly failed: readonly HostId[];
  readonly changed: readonly HostNumber[];
  readonly control: readonly HostNumber[];
  /** Strata of control hosts over the limit, one entry a host. */
  readonly controlFailed: readonly string[];
}

export interface Explained {
  /** X1: the rest is to be blamed. */
  readonly blamed: readonly HostId[];
  /** X2: how many of how many control hosts are over the limit too; null: they excuse nobody. */
  readonly controlOver: { readonly over: number; readonly of: number } | null;
}

export function explainExcess({
  gate,
  compared,
  failed,
  changed,
  control,
  controlFailed,
}: ToExplain): Explained {
  const { kind, alpha } = compared.comparison;
  if (kind === 'worse' || control.length === 0) return { blamed: failed, controlOver: null };
  const excess = failed.length === 0 ? null : compared.excess();
  const blamed = failed.filter((id) => {
    const own = excess?.get(id);
    if (own === undefined || !isWorse(gate.direction, own.level, gate.limit)) return true;
    return reaches(own.excess, own.floor);
  });
  if (blamed.length === 0) return { blamed, controlOver: null };

  const failedIds = new Set(failed);
  const theirs = new Set(changed.filter(({ id }) => failedIds.has(id)).map(({ stratum }) => stratum));
  const alike = control.filter(({ stratum }) => theirs.has(stratum));
  const reference = alike.length > 0 ? alike : control;
  const isOfKind = (stratum: string): boolean => alike.length === 0 || theirs.has(stratum);
  const over = controlFailed.filter(isOfKind).length;
  const beside = changed.filter(({ stratum }) => isOfKind(stratum)).length;
  const ours = { marked: failed.length, of: Math.max(beside, failed.length) };
  const byChance = moreByChance(ours, over, reference.length);
  const isTooFew = kind === 'too-few' || moreByChance(ours, 0, reference.length) > alpha;
  const isShared =
    over > 0 && (isTooFew ? byChance >= 0.5 || over * 2 >= reference.length : byChance > alpha);
  return isShared
    ? { blamed: [], controlOver: { over, of: reference.length } }
    : { blamed, controlOver: null };
}

/** P that at least so many of the marked are among the changed, if marks fall on hosts of both sides alike. */
export function moreByChance(
  changed: { readonly marked: number; readonly of: number },
  controlMarked: number,
  controls: number,
): number {
  const all = changed.of + controls;
  const marked = changed.marked + controlMarked;
  const logs = new Float64Array(all + 1);
  for (let n = 2; n <= all; n += 1) logs[n] = (logs[n - 1] ?? 0) + Math.log(n);
  const choose = (n: number, k: number): number => (logs[n] ?? 0) - (logs[k] ?? 0) - (logs[n - k] ?? 0);
  let chance = 0;
  for (let k = changed.marked; k <= Math.min(marked, changed.of); k += 1) {
    if (marked - k > controls) continue;
    chance += Math.exp(choose(changed.of, k) + choose(controls, marked - k) - choose(all, marked));
  }
  return Math.min(1, chance);
}
