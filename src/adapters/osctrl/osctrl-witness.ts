/**
 * osctrl as a witness: has each agent been heard since it was changed, and which version does it report. One sweep over its nodes an
 * evaluation, whatever the number of hosts.
 *
 * O1  `inactive` is never asked for: osctrl means three days by it. O2  A list that changed while it was read, so that a host may have
 * been missed, is not whole.
 */
import { skewWords, whoWasHeard } from '../../domain/last-heard.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import type { OsctrlSettings } from '../../domain/witness.ts';
import type { Clock } from '../../ports/clock.ts';
import type { MetricsError } from '../../ports/metrics.ts';
import type { SecretReader } from '../../ports/secrets.ts';
import type { Witness, WitnessAnswer, WitnessQuestion } from '../../ports/witness.ts';
import { type Asker, endpointOf, openAsker } from '../http/asker.ts';
import type { Answered } from '../http/reply.ts';
import { sweep } from '../http/sweep.ts';
import { type NodesPage, readAll, readErrorWords, readPage } from './nodes.ts';

export interface OsctrlOptions {
  readonly settings: OsctrlSettings;
  /** Its name in the environment's file. */
  readonly name: string;
  readonly secrets: SecretReader;
  readonly clock: Clock;
}

/** The most that osctrl gives at once. */
const PAGE_SIZE = 500;

/** Bytes: 500 nodes with their details are about 1 MB; a list that is not cut into pages may have 10,000. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export function osctrlWitness(options: OsctrlOptions): Witness {
  const { settings, name, secrets, clock } = options;
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
  const path = `/api/v1/nodes/${encodeURIComponent(settings.environment)}`;
  return {
    shown: `osctrl ${settings.url}: ${settings.measure} of the nodes of ${settings.environment}`,
    async ask(question, signal) {
      const late = AbortSignal.timeout(timeoutMs);
      const within = signal === undefined ? late : AbortSignal.any([signal, late]);
      return askAll({ settings, setting, asker, clock, path, question, within });
    },
  };
}

interface Sweeping {
  readonly settings: OsctrlSettings;
  readonly setting: string;
  readonly asker: Asker;
  readonly clock: Clock;
  readonly path: string;
  readonly question: WitnessQuestion;
  readonly within: AbortSignal;
}

async function askAll(sweeping: Sweeping): Promise<Result<WitnessAnswer, MetricsError>> {
  const { settings, clock, question } = sweeping;
  let total = 0;
  let skew: string | null = null;
  const nodes = await sweep(
    async (index) => {
      const began = clock.now();
      const page = await readOne(sweeping, index + 1);
      if (!page.ok) return page;
      total = page.value.total;
      skew ??= skewWords(page.value.date, began, clock.now());
      return page;
    },
    ({ id }) => id,
  );
  if (!nodes.ok) return nodes;
  const { hosts, version, from, to, stepMs } = question;
  const { hostValue, measure } = settings;
  const span = { version, from, to, stepMs, now: clock.now() };
  const heard = whoWasHeard({ machines: nodes.value.values(), hosts, hostValue, measure, ...span });
  const { byHost, ambiguous, unknown } = heard;
  const missed = unknown.length > 0 && nodes.value.size < total;
  const changed = `the list changed while it was read: ${nodes.value.size} of ${total} nodes came`;
  const warnings = [...(skew === null ? [] : [skew]), ...heard.warnings, ...(missed ? [changed] : [])];
  return ok({ kind: 'by-host', byHost, ambiguous, warnings });
}

type DatedPage = NodesPage & { readonly date: number | null };

async function readOne(sweeping: Sweeping, page: number): Promise<Result<DatedPage, MetricsError>> {
  const { settings, path } = sweeping;
  // The oldest first, so that nobody moves to another page by being heard or by enrolling while the list is read.
  const query = { page: String(page), page_size: String(PAGE_SIZE), sort: 'firstseen', dir: 'asc' };
  const answer = await get(sweeping, path, query, ({ text }) => readPage(text, page, settings.match));
  if (answer.ok || page > 1 || !isPathUnknown(answer.error)) return answer;
  const all = await get(sweeping, `${path}/all`, {}, ({ text }) => readAll(text, settings.match));
  if (all.ok || !all.error.message.endsWith('HTTP 404: no nodes')) return all;
  return ok({ items: [], last: true, total: 0, date: null });
}

/** An osctrl from before there were pages, which answers like any web server; a newer one has a reason in JSON. */
function isPathUnknown({ message }: MetricsError): boolean {
  return /HTTP 40[45]: "?(404 page not found|Method Not Allowed|an empty body)/.test(message);
}

async function get(
  { settings, setting, asker, within }: Sweeping,
  path: string,
  query: Readonly<Record<string, string>>,
  read: (answer: Answered) => Result<NodesPage, MetricsError>,
): Promise<Result<DatedPage, MetricsError>> {
  const url = endpointOf(settings.url, path, setting);
  if (!url.ok) return err(url.error);
  for (const [key, value] of Object.entries(query)) url.value.searchParams.set(key, value);
  return asker.ask(
    { method: 'GET', url: url.value, headers: {}, signal: within },
    {
      read: (answer) => {
        const page = read(answer);
        return page.ok ? ok({ ...page.value, date: dateOf(answer) }) : page;
      },
      words: readErrorWords,
    },
  );
}

function dateOf({ date = '' }: Answered): number | null {
  const at = Date.parse(date);
  return Number.isNaN(at) ? null : at;
}
