/** `rollout rollback ENV [--to VERSION]`: every host that the last rollout touched goes back, or the fleet to a version. */

import type { LifecycleContext } from '../../engine/context.ts';
import { request } from '../../engine/requests.ts';
import { readState, rollbackTarget } from '../../engine/start-rollout.ts';
import { askConsent } from '../confirm.ts';
import { EXIT } from '../exit-codes.ts';
import { type Invocation, textOption } from '../invocation.ts';
import { jsonLine } from '../json-lines.ts';
import { holderText } from '../render/holder-text.ts';
import { count } from '../render/paint.ts';
import { type Session, sayRefused, withSession } from '../session.ts';
import { carryOn, checkDurations, rollForward } from './roll-forward.ts';

export async function run(invocation: Invocation): Promise<number> {
  const [name = ''] = invocation.args;
  const wrong = checkDurations(invocation);
  if (wrong !== null) return wrong;
  return withSession(
    invocation,
    async (session) => {
      const context = session.open(name, { action: 'rollback' });
      if (!context.ok) return sayRefused(invocation, [context.error]);
      const to = textOption(invocation, 'to');
      if (to !== undefined) return rollForward(session, context.value, { kind: 'rollback', version: to });
      return rollBack(session, context.value);
    },
    textOption(invocation, 'to') === undefined ? 'shipped' : 'own',
  );
}

async function rollBack(session: Session, context: LifecycleContext): Promise<number> {
  const { invocation } = session;
  const { name } = context.environment;
  const state = await readState(context);
  if (!state.ok) return sayRefused(invocation, [state.error]);
  const target = rollbackTarget(state.value, name);
  if (!target.ok) return sayRefused(invocation, [target.error]);
  const touched = [...target.value.hosts.values()].filter((host) => host.touched);
  const consent = await askConsent(
    invocation,
    context.environment,
    `put ${count(touched.length, 'host')} of ${name} back from ${target.value.version} and quarantine that version${target.value.policy.database === 'move-aside' ? '; where the older agent cannot read the database it is moved aside, which costs a new enrolment and every row sent again' : ''}`,
  );
  if (!consent.given) return consent.exit;
  if (target.value.phase.kind !== 'rolling-back') {
    const asked = await request(context, 'rollback', invocation.reason);
    if (!asked.ok) return sayRefused(invocation, [asked.error]);
  }
  const holder = await context.lease.holder();
  if (holder !== null) {
    if (invocation.json) {
      jsonLine(invocation, 'result', {
        environment: name,
        exit: EXIT.held,
        code: 'rollback-requested',
        message: 'asked for; whoever is at work there takes it back',
        rollout: target.value.id,
        version: target.value.version,
        holder,
      });
      return EXIT.held;
    }
    invocation.output.err(`${name}: ${holderText(holder)} is at work there and will take it back now`);
    invocation.output.err(`  next: rollout watch ${name}; rollout advance ${name} once it has ended`);
    return EXIT.held;
  }
  return carryOn(session, context, 'rollback');
}
