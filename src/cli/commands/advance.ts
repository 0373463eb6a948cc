/** `rollout advance ENV`: carries the rollout on as far as is possible now. The command of a CI schedule. */
import { flag, type Invocation } from '../invocation.ts';
import { sayRefused, withSession } from '../session.ts';
import { carryOn, checkDurations } from './roll-forward.ts';

export async function run(invocation: Invocation): Promise<number> {
  const [name = ''] = invocation.args;
  const wrong = checkDurations(invocation);
  if (wrong !== null) return wrong;
  const once = { ...invocation, options: { ...invocation.options, advance: !flag(invocation, 'wait') } };
  return withSession(once, async (session) => {
    const context = session.open(name);
    if (!context.ok) return sayRefused(invocation, [context.error]);
    return carryOn(session, context.value, 'rollout');
  });
}
