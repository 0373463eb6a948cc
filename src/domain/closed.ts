/** Whether waves may begin now: freezes and maintenance windows, and the words for it. Pure. */
import type { Environment } from './environment.ts';
import { isOpen, nextOpening } from './maintenance.ts';
import type { FreezeWindow } from './policy.ts';

/** Where no window opens for so long, it is looked at again then, ms. */
const LOOK_AGAIN_MS = 86_400_000;

/** Why nothing may begin now, and until when; null: it may. A freeze goes before a window. */
export function closedNow(
  { freeze, maintenance = [] }: Pick<Environment, 'freeze' | 'maintenance'>,
  now: number,
): FreezeWindow | null {
  const frozen = freeze.find((window) => window.from <= now && now < window.until);
  if (frozen !== undefined) return frozen;
  if (maintenance.length === 0 || isOpen(maintenance, now)) return null;
  const opens = nextOpening(maintenance, now);
  const reason =
    opens === null ? 'no maintenance window opens within a week' : 'outside of the maintenance windows';
  return { from: now, until: opens ?? now + LOOK_AGAIN_MS, reason, code: 'outside-window' };
}

export interface Closing {
  /** Every freeze in force, then the windows that are shut; never empty. */
  readonly why: readonly FreezeWindow[];
  /** When waves may begin for all of them, ms since the epoch; null: none is known. */
  readonly opens: number | null;
}

/** Freezes and windows that are passed in the search for an opening. */
const MOST_PASSED = 50;

/** Everything that closes it now, where `closedNow` names the first; null: it is open. */
export function closingNow(
  environment: Pick<Environment, 'freeze' | 'maintenance'>,
  now: number,
): Closing | null {
  const { freeze, maintenance } = environment;
  const frozen = freeze.filter((window) => window.from <= now && now < window.until);
  const shut = maintenance === undefined ? null : closedNow({ freeze: [], maintenance }, now);
  const why = shut === null ? frozen : [...frozen, shut];
  return why.length === 0 ? null : { why, opens: openingAfter(environment, now) };
}

function openingAfter(environment: Pick<Environment, 'freeze' | 'maintenance'>, now: number): number | null {
  let at = now;
  for (let passed = 0; passed < MOST_PASSED; passed += 1) {
    const closed = closedNow(environment, at);
    if (closed === null) return at;
    const isShutForGood =
      closed.code === 'outside-window' && nextOpening(environment.maintenance ?? [], at) === null;
    if (isShutForGood) return null;
    at = closed.until;
  }
  return null;
}

/** Its reason code and sentence. */
export function closedWords({ until, reason, code = 'frozen' }: FreezeWindow): {
  readonly code: string;
  readonly message: string;
} {
  const at = new Date(until).toISOString();
  return code === 'frozen'
    ? { code, message: `changes are frozen until ${at}: ${reason}` }
    : { code, message: `${reason}: changes may begin again at ${at}` };
}
