/**
 * Fleet (fleetdm) as a witness: has each agent been heard since it was changed, and which version does it report. One sweep over its
 * hosts an evaluation, whatever the number of hosts.
 *
 * F1  `status` is never read: `online` depends on the agent's own intervals. F2  The list ends with an empty page or by its own word, not
 * with a short page: a server may give fewer at once than it was asked for.
 */
import { skewWords, whoWasHeard } from '../../domain/last-heard.ts';
import { ok, type Result } from '../../domain/result.ts';
import type { FleetManagerSettings } from '../../domain/witness.ts';
import type { Clock } from '../../ports/clock.ts';
import type { MetricsError } from '../../ports/metrics.ts';
import type { SecretReader } from '../../ports/secrets.ts';
import type { Witness, WitnessAnswer, WitnessQuestion } from '../../ports/witness.ts';
import { type Asker, endpointOf, openAsker } from '../http/asker.ts';
import { sweep } from '../http/sweep.ts';
import { readErrorWords, readHosts } from './hosts.ts';

export interface FleetWitnessOptions {
  readonly settings: FleetManagerSettings;
  /** Its name in the environment's file. */
  readonly name: string;
  readonly secrets: SecretReader;
  readonly clock: Clock;
}

const PAGE_SIZE = 500;

/** Bytes: a host is about 3 kB. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export function fleetWitness({ settings, name, secrets, clock }: FleetWitnessOptions): Witness {
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
    shown: `Fleet ${settings.url}: ${settings.measure} of its hosts`,
    async ask(question, signal) {
      const late = AbortSignal.timeout(timeoutMs);
      const within = signal === undefined ? late : AbortSignal.any([signal, late]);
      return askAll({ settings, setting, asker, clock, question, within });
    },
  };
}

interface Sweeping {
  readonly settings: FleetManagerSettings;
  readonly setting: string;
  readonly asker: Asker;
  readonly clock: Clock;
  readonly question: WitnessQuestion;
  readonly within: AbortSignal;
}

async function askAll(sweeping: Sweeping): Promise<Result<WitnessAnswer, MetricsError>> {
  const { settings, setting, asker, clock, question, within } = sweeping;
  let skew: string | null = null;
  const url = endpointOf(settings.url, '/api/v1/fleet/hosts', setting);
  if (!url.ok) return url;
  const machines = await sweep(
    async (index) => {
      const began = clock.now();
      const page = await asker.ask(
        { method: 'GET', url: pageOf(url.value, index, settings), headers: {}, signal: within },
        {
          read: ({ text, date = '' }) => {
            const at = Date.parse(date);
            skew ??= skewWords(Number.isNaN(at) ? null : at, began, clock.now());
            return readHosts(text, settings.match);
          },
          words: readErrorWords,
        },
      );
      return page;
    },
    ({ id }) => id,
  );
  if (!machines.ok) return machines;
  const { hosts, version, from, to, stepMs } = question;
  const { hostValue, measure } = settings;
  const span = { version, from, to, stepMs, now: clock.now() };
  const heard = whoWasHeard({ machines: machines.value.values(), hosts, hostValue, measure, ...span });
  const { byHost, ambiguous } = heard;
  return ok({
    kind: 'by-host',
    byHost,
    ambiguous,
    warnings: [...(skew === null ? [] : [skew]), ...heard.warnings],
  });
}

/** By their ids, which never change, so that nobody moves to another page while the list is read. */
function pageOf(base: URL, index: number, { team }: FleetManagerSettings): URL {
  const url = new URL(base);
  const query = { page: String(index), per_page: String(PAGE_SIZE), order_key: 'id', order_direction: 'asc' };
  for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
  // Else it counts failing policies for every host, which takes it longer than all the rest.
  url.searchParams.set('disable_issues', 'true');
  if (team !== undefined) url.searchParams.set('team_id', String(team));
  return url;
}
