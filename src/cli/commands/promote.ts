/** `rollout promote ENV`: the version that the preceding environment has proven, or another one on a person's word. */
import { provenBefore } from '../../engine/start-rollout.ts';
import { type Invocation, textOption } from '../invocation.ts';
import { sayRefused, withSession } from '../session.ts';
import { checkDurations, rollForward } from './roll-forward.ts';

export async function run(invocation: Invocation): Promise<number> {
  const [name = ''] = invocation.args;
  const wrong = checkDurations(invocation);
  if (wrong !== null) return wrong;
  const unproven = textOption(invocation, 'withoutReceipt');
  if (unproven !== undefined && invocation.reason === '') {
    return sayRefused(invocation, [
      {
        exit: 'usage',
        code: 'reason-needed',
        message:
          'going without the proof of the preceding environment needs a reason, which the journal keeps',
        details: [],
        next: 'the same command with --reason TEXT',
      },
    ]);
  }
  return withSession(
    invocation,
    async (session) => {
      const context = session.open(name);
      if (!context.ok) return sayRefused(invocation, [context.error]);
      const beforeName = context.value.environment.promotesFrom;
      if (beforeName === null) {
        return sayRefused(invocation, [
          {
            exit: 'usage',
            code: 'no-predecessor',
            message: `nothing precedes ${name}, so there is nothing to promote from`,
            details: [],
            next: `rollout deploy ${name} VERSION`,
          },
        ]);
      }
      if (unproven !== undefined) {
        return rollForward(session, context.value, {
          kind: 'promote',
          version: unproven,
          override: invocation.reason,
        });
      }
      const before = session.open(beforeName);
      if (!before.ok) return sayRefused(invocation, [before.error]);
      const receipt = await provenBefore(context.value, before.value);
      if (!receipt.ok) return sayRefused(invocation, [receipt.error]);
      return rollForward(session, context.value, {
        kind: 'promote',
        version: receipt.value.version,
        receipt: receipt.value,
      });
    },
    'own',
  );
}
