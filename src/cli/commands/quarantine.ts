/** `rollout quarantine list|lift`: digests that were rolled back go nowhere until a person says otherwise. */
import { err, ok, type Result } from '../../domain/result.ts';
import { type EngineContext, type Refusal, refuse } from '../../engine/context.ts';
import { journalTrouble } from '../../engine/ledger.ts';
import { openLedger } from '../../engine/run-rollout.ts';
import { readState } from '../../engine/start-rollout.ts';
import type { CommandModule } from '../command-module.ts';
import { askConsent } from '../confirm.ts';
import { EXIT } from '../exit-codes.ts';
import { jsonLine } from '../json-lines.ts';
import { columns, moment } from '../render/paint.ts';
import { type Session, sayRefused, withSession } from '../session.ts';

export const list: CommandModule = {
  run: (invocation) =>
    withSession(invocation, async (session) => {
      const [only] = invocation.args;
      const rows: string[][] = [];
      for (const name of only === undefined ? session.names : [only]) {
        const context = session.open(name);
        const state = context.ok ? await readState(context.value) : context;
        if (!state.ok) return sayRefused(invocation, [state.error]);
        for (const held of state.value.quarantine) {
          if (invocation.json) jsonLine(invocation, 'quarantined', { environment: name, ...held });
          else
            rows.push([name, held.version, held.architecture, held.sha256, moment(held.at), held.rolloutId]);
        }
      }
      if (!invocation.json)
        invocation.output.out(rows.length === 0 ? 'nothing is quarantined' : columns(rows).join('\n'));
      return EXIT.done;
    }),
};

export const lift: CommandModule = {
  run: (invocation) => {
    const [digest = ''] = invocation.args;
    if (invocation.reason === '') {
      return Promise.resolve(
        sayRefused(invocation, [
          refuse('usage', 'reason-needed', 'lifting a quarantine needs a reason, which the journal keeps', {
            next: `rollout quarantine lift ${digest} --reason TEXT`,
          }),
        ]),
      );
    }
    return withSession(invocation, async (session) => {
      const found = await findQuarantined(session, digest.toLowerCase());
      if (!found.ok) return sayRefused(invocation, [found.error]);
      for (const { context, sha256 } of found.value) {
        const { name } = context.environment;
        const consent = await askConsent(
          invocation,
          context.environment,
          `lift the quarantine of ${sha256} in ${name}`,
        );
        if (!consent.given) return consent.exit;
        const ledger = openLedger(context);
        const read = await ledger.refresh();
        const written = read.ok
          ? await ledger.fact({ kind: 'quarantine-lifted', sha256 }, invocation.reason)
          : read;
        if (!written.ok) {
          return sayRefused(invocation, [refuse('failed', 'journal-failed', journalTrouble(written.error))]);
        }
        if (invocation.json)
          jsonLine(invocation, 'result', { environment: name, exit: EXIT.done, code: 'lifted', sha256 });
        else invocation.output.out(`${name}: the quarantine of ${sha256} is lifted`);
      }
      return EXIT.done;
    });
  },
};

interface Held {
  readonly context: EngineContext;
  readonly sha256: string;
}

/** The digest, or an unambiguous beginning of it of at least 8 digits, in whichever environment holds it. */
async function findQuarantined(session: Session, digest: string): Promise<Result<Held[], Refusal>> {
  if (!/^[0-9a-f]{8,64}$/u.test(digest)) {
    return err(
      refuse(
        'usage',
        'bad-digest',
        `${JSON.stringify(digest)} is not a sha256: expected 8 to 64 hexadecimal digits`,
      ),
    );
  }
  const held: Held[] = [];
  for (const name of session.names) {
    const context = session.open(name);
    if (!context.ok) return context;
    const state = await readState(context.value);
    if (!state.ok) return state;
    for (const { sha256 } of state.value.quarantine) {
      if (sha256.startsWith(digest)) held.push({ context: context.value, sha256 });
    }
  }
  const digests = new Set(held.map(({ sha256 }) => sha256));
  if (digests.size === 0) {
    return err(
      refuse('failed', 'not-quarantined', `nothing with sha256 ${digest} is quarantined`, {
        next: 'rollout quarantine list',
      }),
    );
  }
  if (digests.size > 1) {
    return err(
      refuse('usage', 'ambiguous', `${digest} begins several quarantined digests`, {
        details: [...digests],
        next: 'give more digits',
      }),
    );
  }
  return ok(held);
}
