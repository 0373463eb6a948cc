/** What an emergency left on this machine goes to the journal with the next command; silent unless something was sent or cannot be. */
import type { LifecycleContext } from '../engine/context.ts';
import { sendWaiting } from '../engine/send-waiting.ts';
import { jsonLine } from './json-lines.ts';
import { harmless } from './render/paint.ts';
import type { Session } from './session.ts';

export async function sendWaitingFirst(
  session: Session,
  contexts: readonly LifecycleContext[],
): Promise<void> {
  await Promise.all(contexts.map((context) => sendOne(session, context)));
}

/** The same by name; who cannot be opened is refused by the command itself. */
export async function sendWaitingOf(session: Session, names: readonly string[]): Promise<void> {
  const opened = names.map((name) => session.open(name));
  await sendWaitingFirst(
    session,
    opened.flatMap((one) => (one.ok ? [one.value] : [])),
  );
}

async function sendOne({ invocation, paint }: Session, context: LifecycleContext): Promise<void> {
  const { sent, left, why } = await sendWaiting(context);
  if (sent === 0 && left === 0) return;
  const { name } = context.environment;
  if (invocation.json) {
    jsonLine(invocation, 'sent', { environment: name, sent, left, why });
    return;
  }
  if (sent > 0)
    invocation.output.err(
      `${name}: ${entries(sent)} of an earlier emergency ${sent === 1 ? 'is' : 'are'} in the journal now`,
    );
  if (left > 0)
    invocation.output.err(
      paint.warn(
        `${name}: ${entries(left)} of an earlier emergency still ${left === 1 ? 'waits' : 'wait'} on this machine: ${harmless(why)}`,
      ),
    );
}

function entries(n: number): string {
  return n === 1 ? '1 entry' : `${n} entries`;
}
