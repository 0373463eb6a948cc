/** `pause`, `resume`, `approve`, `abort`: what a person asks of a rollout, heard by whoever works on it. */
import { systemClock } from '../../adapters/clock/system-clock.ts';
import { goingBack, goingBackWords, isAbortUntold } from '../../domain/armed.ts';
import { abortWords } from '../../domain/decide-armed.ts';
import { isFinished } from '../../domain/fold.ts';
import { type RequestKind, request } from '../../engine/requests.ts';
import { readState } from '../../engine/start-rollout.ts';
import type { CommandModule } from '../command-module.ts';
import { askConsent } from '../confirm.ts';
import { EXIT } from '../exit-codes.ts';
import type { Invocation } from '../invocation.ts';
import { jsonLine } from '../json-lines.ts';
import { holderText } from '../render/holder-text.ts';
import { sayRefused, withSession } from '../session.ts';

const WORDS: Readonly<
  Record<Exclude<RequestKind, 'rollback'>, { readonly consent: boolean; readonly done: string }>
> = {
  // A pause makes nothing worse and must need no thought.
  pause: { consent: false, done: 'paused: nothing new begins' },
  resume: { consent: true, done: 'resumed' },
  approve: { consent: true, done: 'approved' },
  abort: { consent: true, done: 'aborted: the hosts stay as they are' },
};

function requestCommand(kind: Exclude<RequestKind, 'rollback'>): CommandModule {
  return {
    run: (invocation: Invocation) =>
      withSession(invocation, async (session) => {
        const [name = ''] = invocation.args;
        const context = session.open(name);
        if (!context.ok) return sayRefused(invocation, [context.error]);
        const state = await readState(context.value);
        if (!state.ok) return sayRefused(invocation, [state.error]);
        const { rollout } = state.value;
        // What cannot be meant is refused below, before anybody is asked about it.
        const isMeant = rollout !== null && !isFinished(rollout);
        if (WORDS[kind].consent && isMeant) {
          const consent = await askConsent(
            invocation,
            context.value.environment,
            `${kind} ${rollout.id}, the ${rollout.kind} of ${rollout.version} in ${name}`,
          );
          if (!consent.given) return consent.exit;
        }
        const asked = await request(context.value, kind, invocation.reason);
        if (!asked.ok) return sayRefused(invocation, [asked.error]);
        const holder = await context.value.lease.holder();
        const now = systemClock.now();
        const goesBack = kind === 'pause' || kind === 'abort' ? goingBack(asked.value) : null;
        const next = nextOf(kind, name, holder !== null, isAbortUntold(asked.value, now));
        if (invocation.json) {
          jsonLine(invocation, 'result', {
            environment: name,
            exit: EXIT.done,
            code: kind,
            rollout: asked.value.id,
            version: asked.value.version,
            ...(goesBack === null ? {} : { goesBack }),
            ...(next === undefined ? {} : { next }),
          });
        } else {
          const worker =
            holder === null ? '' : ` (${holderText(holder)} is at work and hears it within seconds)`;
          invocation.output.out(
            `${name}  ${asked.value.id} (${asked.value.version}) ${kind === 'abort' ? `aborted: ${abortWords(asked.value, now)}` : WORDS[kind].done}${worker}`,
          );
          const back =
            goesBack === null ? null : goingBackWords(asked.value, now, 'unless it goes on before');
          if (kind === 'pause' && back !== null) invocation.output.out(`  but   ${back}`);
          if (next !== undefined) invocation.output.out(`  next  ${next}`);
        }
        return EXIT.done;
      }),
  };
}

function nextOf(
  kind: Exclude<RequestKind, 'rollback'>,
  name: string,
  isWorkedOn: boolean,
  isUntold: boolean,
): string | undefined {
  if (kind === 'pause') return `rollout resume ${name} goes on, rollout rollback ${name} takes it back`;
  if (kind === 'abort') {
    const back = `rollout rollback ${name} puts the touched hosts back`;
    return isUntold && !isWorkedOn ? `rollout advance ${name} tells them that they stay, ${back}` : back;
  }
  return isWorkedOn ? undefined : `rollout advance ${name}`;
}

export const pause = requestCommand('pause');
export const resume = requestCommand('resume');
export const approve = requestCommand('approve');
export const abort = requestCommand('abort');
