/** What is right about approvals and may yet not be meant. */
import { type Fault, fault } from './problem.ts';
import { readKey } from './schema-walk.ts';

/** Nobody is asked behind the canary, and somebody is named who is to be asked: it holds where nothing can be watched alone. */
export function approvalNotes(written: unknown): Fault[] {
  if (readKey(written, 'approval') !== 'none' || readKey(written, 'approvedBy') !== 'second-person')
    return [];
  const message =
    'with `approval: none` no second person is asked behind the canary, only where nothing can be watched; leave `approval` out to be asked';
  return [fault(['approval'], message, { found: 'none', allowed: ['after-canary'] })];
}
