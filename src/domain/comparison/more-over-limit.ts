/**
 * Are more of the changed hosts over the limit than of the control hosts, although fewer than the gate's weight asks for? A version that
 * burns on a third of the hosts of every kind moves no median, and is no half of anything. Pure.
 *
 * ML1  A host counts where it is over the limit and is worse, by what matters, than its control hosts explain: who has always been so does
 *      not. Of the control hosts all count that are over it, whyever.
 * ML2  It must be two hosts, a tenth of them more than of the control hosts, and far from chance (Fisher's exact test, at a fifth of the
 *      comparison's level): there are many looks, and this one has no other floor.
 */
import type { HostId } from '../host.ts';
import { isWorse } from '../step-track.ts';
import { reaches } from './compared.ts';
import { moreByChance, type ToExplain } from './explain-excess.ts';

export interface MoreOverLimit {
  readonly ids: ReadonlySet<HostId>;
  /** Changed hosts of the kinds that they are of. */
  readonly of: number;
  /** Control hosts of these kinds, and how many of them are over the limit. */
  readonly control: number;
  readonly controlOver: number;
  readonly p: number;
}

const FEWEST_MORE = 2;
const LEAST_SHARE_MORE = 0.1;
const PART_OF_ALPHA = 1 / 5;

/** Null: it cannot be said. */
export function moreOverLimit(asked: ToExplain): MoreOverLimit | null {
  const { gate, compared, failed, changed, control, controlFailed } = asked;
  if (failed.length < FEWEST_MORE || control.length === 0) return null;
  const excess = compared.excess();
  const ids = new Set(
    failed.filter((id) => {
      const own = excess.get(id);
      return (
        own !== undefined && isWorse(gate.direction, own.level, gate.limit) && reaches(own.excess, own.floor)
      );
    }),
  );
  if (ids.size < FEWEST_MORE) return null;
  const kinds = new Set(changed.filter(({ id }) => ids.has(id)).map(({ stratum }) => stratum));
  const countOf = (strata: readonly string[]): number => strata.filter((name) => kinds.has(name)).length;
  const of = countOf(changed.map(({ stratum }) => stratum));
  const controls = countOf(control.map(({ stratum }) => stratum));
  if (controls === 0) return null;
  const controlOver = countOf(controlFailed);
  const p = moreByChance({ marked: ids.size, of }, controlOver, controls);
  const more = ids.size / of - controlOver / controls;
  if (more < LEAST_SHARE_MORE || p > compared.comparison.alpha * PART_OF_ALPHA) return null;
  return { ids, of, control: controls, controlOver, p };
}
