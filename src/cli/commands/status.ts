/** `rollout status [ENV]`: reads journals only; needs no host, no metrics and no store. */
import { systemClock } from '../../adapters/clock/system-clock.ts';
import { heldElsewhere } from '../../domain/held-elsewhere.ts';
import { holdsOf } from '../../domain/holds.ts';
import { maybeBack, notRunning } from '../../domain/host-standing.ts';
import { type Refusal, refuse } from '../../engine/context.ts';
import { readElsewhere, readingOnce } from '../../engine/read-elsewhere.ts';
import { readStatus } from '../../engine/status.ts';
import { filesBesidePlans } from '../as-planned.ts';
import { EXIT } from '../exit-codes.ts';
import type { Invocation } from '../invocation.ts';
import { jsonLine } from '../json-lines.ts';
import { elsewhereLines } from '../render/elsewhere-view.ts';
import { hanging } from '../render/paint.ts';
import { statusLines } from '../render/status-view.ts';
import { sendWaitingOf } from '../send-waiting.ts';
import { type Session, sayRefused, withSession } from '../session.ts';

export function run(invocation: Invocation): Promise<number> {
  const [only] = invocation.args;
  return withSession(invocation, async (session) => {
    await sendWaitingOf(session, only === undefined ? session.names : [only]);
    return showStatus(session, only);
  });
}

export async function showStatus(session: Session, only: string | undefined): Promise<number> {
  const { invocation } = session;
  const now = systemClock.now();
  let worst: number = EXIT.done;
  const blocks: string[] = [];
  const readOf = readingOnce();
  const differs = filesBesidePlans(invocation);
  for (const name of only === undefined ? session.names : [only]) {
    const context = session.open(name);
    const [status, elsewhere] = await Promise.all([
      context.ok ? readStatus(context.value, readOf) : context,
      readElsewhere(context.ok ? session.othersOf(name) : [], readOf),
    ]);
    if (!status.ok) {
      worst = Math.max(worst, sayRefused(invocation, [status.error]));
      continue;
    }
    const asPlanned = await differs(name, status.value.state.rollout);
    if (invocation.json) {
      const { state, ...rest } = status.value;
      jsonLine(invocation, 'status', {
        ...rest,
        pin: state.pin,
        receipts: state.receipts,
        quarantine: state.quarantine,
        rollout: state.rollout,
        ...(state.rollout === null
          ? {}
          : {
              mayHaveGoneBack: maybeBack(state.rollout, now).map(({ host }) => host.name),
              notRunning: notRunning(state.rollout, now).map(({ host }) => host.name),
            }),
        asPlanned,
        holds: holdsOf(state, now),
        quarantinedElsewhere: heldElsewhere(state, elsewhere.told),
      });
    } else {
      const [title = '', ...below] = statusLines({ ...status.value, asPlanned }, now, session.paint);
      const beware = elsewhereLines(name, status.value.state, elsewhere, session.paint);
      blocks.push([title, ...beware, ...below].join('\n'));
    }
  }
  if (only === undefined && !invocation.json) {
    for (const { name, kind, problems } of session.unusable) {
      const why = `${kind}: ${problems[0]?.message ?? 'rollout config check says why'}`;
      blocks.push(
        hanging(`${name}  not usable: `, why, session.paint.width).map(session.paint.dim).join('\n'),
      );
    }
    if (session.examples.length > 0 && session.names.length + session.unusable.length === 0)
      blocks.push(
        session.paint.dim(`${session.examples.join(', ')}: only examples; rollout init makes your own`),
      );
  }
  if (blocks.length > 0) invocation.output.out(blocks.join('\n\n'));
  const { names, unusable } = session;
  if (only === undefined && names.length === 0 && unusable.length > 0)
    worst = Math.max(worst, sayRefused(invocation, [noneUsable(session)]));
  return worst;
}

/** Nothing was told of anything: no answer for a schedule to go by. */
function noneUsable({ unusable, invocation }: Session): Refusal {
  const why = unusable.map(({ name, kind, problems }) => `${name}: ${problems[0]?.message ?? kind}`);
  return refuse('usage', 'no-usable-environment', 'no environment can be used, so that nothing is known', {
    // In words each stands above already.
    ...(invocation.json ? { details: why } : {}),
    next: 'rollout config check',
  });
}
