/**
 * A webhook as a witness: somebody else's service judges. It is asked by POST with the question as JSON, and answers
 * {"verdict": "pass" | "fail" | "inconclusive", "why": "..."}.
 *
 * WH1  Anything else is an error, never a verdict. WH2  A redirect is not followed: the token is meant for the configured address.
 */
import { isRecord } from '../../domain/is-record.ts';
import { ok, type Result } from '../../domain/result.ts';
import { questionJson, reasonFrom, type WebhookSettings } from '../../domain/witness.ts';
import type { Clock } from '../../ports/clock.ts';
import type { MetricsError } from '../../ports/metrics.ts';
import type { SecretReader } from '../../ports/secrets.ts';
import type { Witness, WitnessAnswer } from '../../ports/witness.ts';
import { endpointOf, openAsker } from '../http/asker.ts';
import { excerpt, notUnderstood, parseJson, show } from '../http/reply.ts';

export interface WebhookOptions {
  readonly settings: WebhookSettings;
  /** Its name in the environment's file. */
  readonly name: string;
  readonly secrets: SecretReader;
  readonly clock: Clock;
}

/** Bytes: one word and a reason. */
const MAX_ANSWER_BYTES = 64 * 1024;

export function webhookWitness({ settings, name, secrets, clock }: WebhookOptions): Witness {
  const { auth, caFile, timeoutMs } = settings;
  const setting = `witnesses.${name}`;
  const asker = openAsker({
    auth,
    ...(caFile === undefined ? {} : { caFile }),
    timeoutMs,
    maxAnswerBytes: MAX_ANSWER_BYTES,
    setting,
    secrets,
    clock,
  });
  return {
    shown: `webhook ${settings.url}`,
    async ask(question, signal) {
      const url = endpointOf(settings.url, '', setting);
      if (!url.ok) return url;
      return asker.ask(
        {
          method: 'POST',
          url: url.value,
          headers: { 'content-type': 'application/json' },
          body: questionJson(question),
          ...(signal === undefined ? {} : { signal }),
        },
        { read: ({ text }) => readVerdict(text), words: () => undefined },
      );
    },
  };
}

function readVerdict(text: string): Result<WitnessAnswer, MetricsError> {
  const body = parseJson(text);
  if (!isRecord(body)) return notUnderstood(`no JSON object but ${excerpt(text)}`);
  const { verdict, why } = body;
  if (verdict !== 'pass' && verdict !== 'fail' && verdict !== 'inconclusive')
    return notUnderstood(`verdict is ${show(verdict)}, not "pass", "fail" or "inconclusive"`);
  if (why !== undefined && typeof why !== 'string')
    return notUnderstood(`why is ${show(why)}, not a sentence`);
  return ok({ kind: 'told', verdict, why: reasonFrom(why ?? '', `it says ${verdict} and gives no reason`) });
}
