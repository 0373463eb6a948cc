/** `rollout holds [ENV]`, `osqueryd holds`: whose agent is held stopped, from the journals alone. */
import { listHolds } from '../../engine/list-holds.ts';
import { EXIT } from '../exit-codes.ts';
import { flag, type Invocation, listOption } from '../invocation.ts';
import { jsonLine } from '../json-lines.ts';
import { openEnvironments } from '../lifecycle-environments.ts';
import { typedAs } from '../lifecycle-question.ts';
import { holdsLines, type PlacedHold } from '../render/holds-view.ts';
import { harmless } from '../render/paint.ts';
import { sendWaitingFirst } from '../send-waiting.ts';
import { sayRefused, withSession } from '../session.ts';

export function run(invocation: Invocation): Promise<number> {
  return withSession(invocation, async (session) => {
    const named = [...listOption(invocation, 'env'), ...invocation.args];
    const opened = openEnvironments(session, named, { polarity: 'emergency', wide: false });
    if (!opened.ok) return sayRefused(invocation, opened.error);
    await sendWaitingFirst(session, opened.value.contexts);
    const onlyDue = flag(invocation, 'due');
    const holds: PlacedHold[] = [];
    let worst: number = opened.value.notBegun.length > 0 ? EXIT.incomplete : EXIT.done;
    const read = await listHolds(opened.value.contexts);
    if (read.refusals.length > 0) worst = Math.max(worst, sayRefused(invocation, read.refusals));
    for (const { environment, holds: found, notes } of read.holds) {
      for (const note of notes)
        if (!invocation.json) invocation.output.err(`${environment}: ${harmless(note)}`);
      for (const hold of found) if (!onlyDue || hold.due) holds.push({ environment, ...hold });
    }
    if (invocation.json) for (const hold of holds) jsonLine(invocation, 'hold', fieldsOf(hold));
    else {
      // Of a journal that cannot be read nobody can say that it has no hold.
      const names = read.holds.map(({ environment }) => environment);
      const asked = { names, onlyDue, typed: typedAs(invocation) };
      if (names.length > 0) invocation.output.out(holdsLines(holds, asked, session.paint).join('\n'));
      for (const { environment, why } of opened.value.notBegun)
        invocation.output.err(`${environment}: not asked: ${why}`);
    }
    return worst === EXIT.done && onlyDue && holds.length > 0 ? EXIT.held : worst;
  });
}

function fieldsOf({
  environment,
  id,
  name,
  terms,
  state,
  due,
  heldMs,
  leftMs,
}: PlacedHold): Record<string, unknown> {
  return { ...terms, environment, id, name, state, due, heldMs, leftMs };
}
