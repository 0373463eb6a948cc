/** `pause`, `resume`, `approve`, `abort`: what a person asks of a rollout, heard by whoever works on it. */
import { type RequestKind, request } from '../../engine/requests.ts';
import type { CommandModule } from '../command-module.ts';
import { askConsent } from '../confirm.ts';
import { EXIT } from '../exit-codes.ts';
import type { Invocation } from '../invocation.ts';
import { jsonLine } from '../json-lines.ts';
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
        if (WORDS[kind].consent) {
          const consent = await askConsent(
            invocation,
            context.value.environment,
            `${kind} the rollout of ${name}`,
          );
          if (!consent.given) return consent.exit;
        }
        const asked = await request(context.value, kind, invocation.reason);
        if (!asked.ok) return sayRefused(invocation, [asked.error]);
        const holder = await context.value.lease.holder();
        const next =
          holder === null && kind !== 'pause' && kind !== 'abort' ? `rollout advance ${name}` : undefined;
        if (invocation.json) {
          jsonLine(invocation, 'result', {
            environment: name,
            exit: EXIT.done,
            code: kind,
            rollout: asked.value.id,
          });
        } else {
          const worker =
            holder === null
              ? ''
              : ` (${holder.actor.user}@${holder.actor.hostname} is at work and hears it within seconds)`;
          invocation.output.out(
            `${name}  ${asked.value.id} (${asked.value.version}) ${WORDS[kind].done}${worker}`,
          );
          if (next !== undefined) invocation.output.out(`  next  ${next}`);
        }
        return EXIT.done;
      }),
  };
}

export const pause = requestCommand('pause');
export const resume = requestCommand('resume');
export const approve = requestCommand('approve');
export const abort = requestCommand('abort');
