/** `rollout canary ENV VERSION`: one host of every kind, a verdict, and back; no receipt is needed for so few. */
import { flag, type Invocation } from '../invocation.ts';
import { sayRefused, withSession } from '../session.ts';
import { checkDurations, rollForward } from './roll-forward.ts';

export async function run(invocation: Invocation): Promise<number> {
  const [name = '', version = ''] = invocation.args;
  const wrong = checkDurations(invocation);
  if (wrong !== null) return wrong;
  return withSession(
    invocation,
    async (session) => {
      const context = session.open(name, 'canary');
      if (!context.ok) return sayRefused(invocation, [context.error]);
      return rollForward(session, context.value, { kind: 'canary', version, keep: flag(invocation, 'keep') });
    },
    'own',
  );
}
