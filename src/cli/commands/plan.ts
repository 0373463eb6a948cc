/** `rollout plan ENV [VERSION]`: what a rollout would do and what blocks it. Changes nothing. */

import { err, ok, type Result } from '../../domain/result.ts';
import { compareVersions } from '../../domain/version.ts';
import { type EngineContext, type Refusal, refuse } from '../../engine/context.ts';
import { planNotes } from '../../engine/plan-notes.ts';
import { preparePlan } from '../../engine/prepare-plan.ts';
import { inTheWay, provenBefore, readQuarantine, readState } from '../../engine/start-rollout.ts';
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
      const state = await readState(context.value);
      if (!state.ok) return sayRefused(invocation, [state.error]);
      const kind = context.value.environment.promotesFrom === null ? 'deploy' : 'promote';
      const obstacle = inTheWay(state.value, { kind, version: version.value }, context.value);
      const busy = obstacle === null || obstacle === 'carry-on' ? [] : [obstacle];
      const quarantine = await readQuarantine(line.value);
      if (!quarantine.ok) return sayRefused(invocation, [quarantine.error]);
      const prepared = await preparePlan(
        context.value,
        { version: version.value, quarantine: quarantine.value },
        invocation.signal,
      );
      if (!prepared.ok) return sayRefused(invocation, [prepared.error]);
      const { plan } = prepared.value;
      const blockers = [...busy, ...prepared.value.blockers];
      const notes = await planNotes(context.value, {
        kind,
        version: version.value,
        state: state.value,
        prepared: prepared.value,
        line: line.value,
        hasChange: false,
        ...(given === undefined ? {} : await provenThere(session, context.value)),
      });
      if (invocation.json) {
        jsonLine(invocation, 'plan', { environment: name, version: version.value, plan, blockers, notes });
      } else {
        const lines = planLines(context.value, prepared.value, session.paint, { brief: false, notes });
        invocation.output.out(lines.join('\n'));
      }
      return blockers.length > 0 ? sayRefused(invocation, blockers) : EXIT.done;
    },
    'own',
  );
}

/** What the environment before has proven, for a version that somebody names. */
async function provenThere(
  session: Session,
  context: EngineContext,
): Promise<{ readonly proven?: Awaited<ReturnType<typeof provenBefore>> }> {
  const { promotesFrom } = context.environment;
  const before = promotesFrom === null ? null : session.open(promotesFrom);
  return before?.ok === true ? { proven: await provenBefore(context, before.value) } : {};
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
