/** `rollout watch [ENV]`: the status again and again until Ctrl-C; a pipe gets a new block only when something changed. */
import { systemClock } from '../../adapters/clock/system-clock.ts';
import { parseDuration } from '../../domain/duration.ts';
import { EXIT } from '../exit-codes.ts';
import { type Invocation, textOption } from '../invocation.ts';
import { sayRefused, withSession } from '../session.ts';
import { showStatus } from './status.ts';

export async function run(invocation: Invocation): Promise<number> {
  const every = parseDuration(textOption(invocation, 'every') ?? '2s');
  if (!every.ok || every.value < 100) {
    const message = every.ok ? '--every must be at least 100ms' : `--every: ${every.error}`;
    return sayRefused(invocation, [
      { exit: 'usage', code: 'bad-duration', message, details: [], next: 'write it like 2s' },
    ]);
  }
  const { output } = invocation;
  let before = '';
  const show = (text: string): void => {
    if (output.outIsTerminal) output.out(`\u001b[2J\u001b[H${text}`);
    else if (text !== before) output.out(text);
    before = text;
  };
  const shown = { ...invocation, output: { ...output, out: show } };
  return withSession(invocation.json ? invocation : shown, async (session) => {
    while (!invocation.signal.aborted) {
      const exit = await showStatus(session, invocation.args[0]);
      if (exit !== EXIT.done) return exit;
      await systemClock.sleep(every.value, invocation.signal);
    }
    return EXIT.done;
  });
}
