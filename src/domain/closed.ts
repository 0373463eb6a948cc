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
