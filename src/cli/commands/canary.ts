/**
 * `rollout canary ENV VERSION`: one host of every kind, a verdict, and back; no receipt is needed for so few and so short.
 * With --keep they stay, and where another environment precedes that takes its receipt or a person's reason, as a promotion does.
 */
import type { Receipt } from '../../domain/journal.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import { type EngineContext, type Refusal, refuse } from '../../engine/context.ts';
import { provenBefore } from '../../engine/start-rollout.ts';
import { flag, type Invocation } from '../invocation.ts';
import { type Session, sayRefused, withSession } from '../session.ts';
import { checkDurations, rollForward } from './roll-forward.ts';

export async function run(invocation: Invocation): Promise<number> {
  const [name = '', version = ''] = invocation.args;
  const wrong = checkDurations(invocation);
  if (wrong !== null) return wrong;
  return withSession(
    invocation,
    async (session) => {
      const context = session.open(name, { action: 'canary' });
      if (!context.ok) return sayRefused(invocation, [context.error]);
      const keep = flag(invocation, 'keep');
      if (!keep) return rollForward(session, context.value, { kind: 'canary', version, keep });
      const basis = await basisToKeep(session, context.value, version);
      if (!basis.ok) return sayRefused(invocation, [basis.error]);
      return rollForward(session, context.value, { kind: 'canary', version, keep, ...basis.value });
    },
    'own',
  );
}

/** What keeping a version rests on where another environment goes before: its receipt, or a reason given. */
async function basisToKeep(
  { open, invocation: { reason } }: Session,
  context: EngineContext,
  version: string,
): Promise<Result<{ readonly receipt?: Receipt; readonly override?: string }, Refusal>> {
  const { name, promotesFrom } = context.environment;
  if (promotesFrom === null) return ok({});
  const before = open(promotesFrom);
  if (!before.ok) return before;
  const receipt = await provenBefore(context, before.value);
  if (receipt.ok && receipt.value.version === version) return ok({ receipt: receipt.value });
  if (reason !== '') return ok({ override: reason });
  return err(
    refuse('held', 'unproven-keep', `${promotesFrom} has not proven ${version}: ${name} does not keep it`, {
      next: 'without --keep the canaries go back; with --reason TEXT they keep it, and the journal keeps that',
    }),
  );
}
