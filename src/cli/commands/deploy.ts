/** `rollout deploy ENV VERSION`: to an environment that nothing precedes. */
import type { Invocation } from '../invocation.ts';
import { sayRefused, withSession } from '../session.ts';
import { checkDurations, rollForward } from './roll-forward.ts';

export async function run(invocation: Invocation): Promise<number> {
  const [name = '', version = ''] = invocation.args;
  const wrong = checkDurations(invocation);
  if (wrong !== null) return wrong;
  return withSession(
    invocation,
    async (session) => {
      const context = session.open(name);
      if (!context.ok) return sayRefused(invocation, [context.error]);
      const before = context.value.environment.promotesFrom;
      if (before !== null) {
        return sayRefused(invocation, [
          {
            exit: 'usage',
            code: 'has-predecessor',
            message: `${name} takes only what ${before} has proven`,
            details: [],
            next: `rollout promote ${name}`,
          },
        ]);
      }
      return rollForward(session, context.value, { kind: 'deploy', version });
    },
    'own',
  );
}
