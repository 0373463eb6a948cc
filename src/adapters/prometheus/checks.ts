/**
 * Is Prometheus there, may we ask it, which version is it, and do its clock and ours agree. What its series say is the engine's to ask.
 *
 * GET /api/v1/status/buildinfo: https://prometheus.io/docs/prometheus/latest/querying/api/#build-information. Thanos and Mimir
 * have it too; a proxy may not let it through, which is no fault.
 */
import { readFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { getCACertificates, rootCertificates } from 'node:tls';
import type { PrometheusSettings } from '../../domain/connection.ts';
import { plainText } from '../../domain/host-answer.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Metrics } from '../../ports/metrics.ts';
import type { SecretReader } from '../../ports/secrets.ts';
import { brokenAs, doubtful, type Finding, fine, type SelfCheck, skipped } from '../../ports/self-check.ts';
import { readCredentials } from '../http/credentials.ts';

export interface PrometheusCheckOptions {
  readonly settings: PrometheusSettings;
  readonly metrics: Metrics;
  readonly secrets: SecretReader;
  readonly clock: Clock;
  /** The environment's file, for mends. */
  readonly file: string;
}

/** Our clock against its beyond which it is named, ms; gates judge samples by ours. */
const SKEW_MS = 5_000;

const MOST_BYTES = 64 * 1024;

export function prometheusChecks(options: PrometheusCheckOptions): SelfCheck[] {
  const { settings, metrics, clock, file } = options;
  const whenSilent = `look at this machine's way to ${settings.url}; prometheus.timeout bounds the wait`;
  return [
    {
      area: 'metrics',
      what: 'Prometheus',
      whenSilent,
      async run() {
        const at = clock.now();
        // Needs no series to be there: only the right to ask is asked for.
        const answer = await metrics.range({ query: 'vector(1)', from: at, to: at, stepMs: 60_000 });
        if (answer.ok) return [fine('Prometheus', `${settings.url} answers queries`)];
        // It was understood and refused as a query: whoever answers so is there, and lets us ask.
        if (answer.error.kind === 'rejected' && /bad_data|HTTP 4(00|22)/.test(answer.error.message))
          return [
            fine(
              'Prometheus',
              `${settings.url} answers, though not every query: a stand-in, or a filter in front of it`,
            ),
          ];
        return [brokenAs('Prometheus', answer.error.message, `look at prometheus in ${file}`)];
      },
    },
    {
      area: 'metrics',
      what: 'version of Prometheus',
      whenSilent,
      run: (signal) => versionFindings(options, signal),
    },
  ];
}

async function versionFindings(options: PrometheusCheckOptions, signal: AbortSignal): Promise<Finding[]> {
  const what = 'version of Prometheus';
  const began = options.clock.now();
  const answer = await get(options, signal);
  const between = (began + options.clock.now()) / 2;
  if (!answer.ok) return [skipped(what, answer.error)];
  const { status, text, date } = answer.value;
  const version = versionIn(text);
  return [
    version === null
      ? skipped(what, `not told (HTTP ${status} for /api/v1/status/buildinfo)`)
      : fine(what, version),
    // Its Date header has whole seconds: half a second is in the middle.
    ...(date === null ? [] : [clockFinding(date + 500 - between)]),
  ];
}

function clockFinding(skew: number): Finding {
  const what = 'clock against Prometheus';
  if (Math.abs(skew) <= SKEW_MS) return fine(what, 'within 5 s');
  return doubtful(
    what,
    `${Math.abs(skew / 1000).toFixed(1)} s ${skew > 0 ? 'behind' : 'ahead'}: gates would be judged over the wrong time`,
    'timedatectl set-ntp true, then: timedatectl',
  );
}

function versionIn(text: string): string | null {
  try {
    const { data } = JSON.parse(text) as { data?: { version?: unknown } };
    const version = data?.version;
    return typeof version === 'string' && version !== '' ? plainText(version).slice(0, 60) : null;
  } catch {
    return null;
  }
}

interface Answer {
  readonly status: number;
  readonly text: string;
  /** ms since the epoch. */
  readonly date: number | null;
}

/** The error is a sentence. node:https for the reason that exchange.ts gives. */
async function get(options: PrometheusCheckOptions, signal: AbortSignal): Promise<Result<Answer, string>> {
  const { settings, secrets } = options;
  const credentials = await readCredentials(settings.auth, secrets);
  if (!credentials.ok) return err(credentials.error);
  const ca = settings.caFile === undefined ? null : await readFile(settings.caFile, 'utf8').catch(() => null);
  const base = new URL(settings.url);
  base.pathname = `${base.pathname.replace(/\/+$/, '')}/api/v1/status/buildinfo`;
  const tenant = settings.tenant === undefined ? {} : { 'x-scope-orgid': settings.tenant };
  const headers = { ...credentials.value.headers, ...tenant };
  const within = AbortSignal.any([signal, AbortSignal.timeout(settings.timeoutMs)]);
  return new Promise((resolve) => {
    const request =
      base.protocol === 'https:'
        ? httpsRequest(base, { headers, signal: within, ...(ca === null ? {} : { ca: [...trusted(), ca] }) })
        : httpRequest(base, { headers, signal: within });
    request.once('error', (error) => resolve(err(`not told: ${error.message}`)));
    request.once('response', (response) => {
      readWhole(response).then(
        (answer) => resolve(ok(answer)),
        (error: Error) => resolve(err(`not told: ${error.message}`)),
      );
    });
    request.end();
  });
}

async function readWhole(response: IncomingMessage): Promise<Answer> {
  let text = '';
  for await (const chunk of response) {
    text += String(chunk);
    if (text.length > MOST_BYTES) break;
  }
  const date = Date.parse(response.headers.date ?? '');
  return { status: response.statusCode ?? 0, text, date: Number.isNaN(date) ? null : date };
}

/** Node before 22.15 cannot tell what it trusts beyond the bundled list. */
function trusted(): readonly string[] {
  return typeof getCACertificates === 'function' ? getCACertificates('default') : rootCertificates;
}
