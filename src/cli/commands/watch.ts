/** `rollout watch [ENV]`: the status again and again until Ctrl-C; a pipe gets a new block only when something changed. */
import { systemClock } from '../../adapters/clock/system-clock.ts';
import { parseDuration } from '../../domain/duration.ts';
import { EXIT } from '../exit-codes.ts';
import { type Invocation, textOption } from '../invocation.ts';
import { timeOfDay } from '../render/paint.ts';
import { sayRefused, withSession } from '../session.ts';
import { showStatus } from './status.ts';

export async function run(invocation: Invocation): Promise<number> {
  const given = textOption(invocation, 'every') ?? '2s';
  const every = parseDuration(given);
  if (!every.ok || every.value < 100) {
    const message = every.ok ? `--every ${given}: at least 100ms` : `--every ${given}: ${every.error}`;
    return sayRefused(invocation, [
      { exit: 'usage', code: 'bad-duration', message, details: [], next: 'write it like 2s' },
    ]);
  }
  const { output } = invocation;
  const onScreen = output.outIsTerminal && !invocation.json;
  const title = `rollout watch, every ${given}; Ctrl-C ends it`;
  const outs: string[] = [];
  const errs: string[] = [];
  let looks = false;
  const gathered = {
    ...invocation,
    output: {
      ...output,
      out: (text: string) => void outs.push(text),
      // What comes before the first look stands above the screen.
      err: (text: string) => (looks ? void errs.push(text) : output.err(text)),
    },
  };
  let before = '';
  let last = '';
  const exit = await withSession(gathered, async (session) => {
    looks = true;
    while (!invocation.signal.aborted) {
      const code = await showStatus(session, invocation.args[0]);
      last = outs.splice(0).join('\n');
      if (code !== EXIT.done) {
        if (!onScreen && last !== '' && last !== before) output.out(last);
        return code;
      }
      if (onScreen) output.screen([`${title}  ${timeOfDay(systemClock.now())}Z`, '', ...last.split('\n')]);
      else if (last !== before) output.out(last);
      before = last;
      await systemClock.sleep(every.value, invocation.signal);
    }
    return EXIT.done;
  });
  output.screen(null);
  // The screen is gone: what it showed last stays.
  if (onScreen && last !== '') output.out(last);
  for (const text of [...outs, ...errs]) output.err(text);
  return exit;
}
