/** `rollout plan ENV [VERSION]`: what a rollout would do and what blocks it. Changes nothing. */

import { err, ok, type Result } from '../../domain/result.ts';
import { compareVersions } from '../../domain/version.ts';
import { type EngineContext, type Refusal, refuse } from '../../engine/context.ts';
import { preparePlan } from '../../engine/prepare-plan.ts';
import { provenBefore, readQuarantine } from '../../engine/start-rollout.ts';
import { EXIT } from '../exit-codes.ts';
import type { Invocation } from '../invocation.ts';
import { jsonLine } from '../json-lines.ts';
import { planLines } from '../render/plan-view.ts';
import { type Session, sayRefused, withSession } from '../session.ts';

export function run(invocation: Invocation): Promise<number> {
  const [name = '', given] = invocation.args;
  return withSession(
    invocation,
    async (session) => {
      const context = session.open(name);
      if (!context.ok) return sayRefused(invocation, [context.error]);
      const line = session.line(name);
      if (!line.ok) return sayRefused(invocation, [line.error]);
      const version = given === undefined ? await versionToPlan(session, context.value) : ok(given);
      if (!version.ok) return sayRefused(invocation, [version.error]);
      const quarantine = await readQuarantine(line.value);
      if (!quarantine.ok) return sayRefused(invocation, [quarantine.error]);
      const prepared = await preparePlan(
        context.value,
        { version: version.value, quarantine: quarantine.value },
        invocation.signal,
      );
      if (!prepared.ok) return sayRefused(invocation, [prepared.error]);
      const { plan, blockers } = prepared.value;
      if (invocation.json) {
        jsonLine(invocation, 'plan', { environment: name, version: version.value, plan, blockers });
      } else {
        const lines = planLines(context.value, prepared.value, session.paint, { brief: false });
        invocation.output.out(lines.join('\n'));
      }
      return blockers.length > 0 ? sayRefused(invocation, blockers) : EXIT.done;
    },
    'own',
  );
}

/** Without a version: what a promotion would take, or else the newest that is staged. */
async function versionToPlan(session: Session, context: EngineContext): Promise<Result<string, Refusal>> {
  const { name, promotesFrom } = context.environment;
  if (promotesFrom !== null) {
    const before = session.open(promotesFrom);
    if (!before.ok) return before;
    const receipt = await provenBefore(context, before.value);
    return receipt.ok ? ok(receipt.value.version) : receipt;
  }
  const staged = await context.store.list();
  if (!staged.ok) return err(refuse('failed', 'store-failed', staged.error.message));
  const newest = staged.value
    .map((artifact) => artifact.version)
    .sort(compareVersions)
    .at(-1);
  return newest === undefined
    ? err(
        refuse('failed', 'not-staged', `nothing is staged for ${name}`, {
          next: `rollout stage VERSION --package ${name}=FILE`,
        }),
      )
    : ok(newest);
}
