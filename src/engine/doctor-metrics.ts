/**
 * Self-checks of what gates will be asked: do series name hosts as the environment says, does each gate give one series a host.
 * Asks only, and few hosts where the whole fleet is not the question.
 */
import type { PrometheusSettings } from '../domain/connection.ts';
import { type QueryFillings, renderQuery } from '../domain/gate-query.ts';
import type { Host } from '../domain/host.ts';
import { hostValueFor } from '../domain/host-value.ts';
import type { GatePolicy } from '../domain/policy.ts';
import type { RangeAnswer } from '../ports/metrics.ts';
import {
  broken,
  brokenAs,
  doubtful,
  type Finding,
  fine,
  type SelfCheck,
  skipped,
} from '../ports/self-check.ts';
import type { EngineContext } from './context.ts';
import { eligibleOf, type FleetSource, skippedForFleet, someOf } from './doctor-fleet.ts';
import { sampleOf } from './doctor-hosts.ts';
import { measure } from './measure.ts';
import { measureByProbe } from './probe-hosts.ts';

/** Hosts that each gate is asked about; of the probe, which goes to each of them, fewer. */
const GATE_SAMPLE = 20;
const PROBE_SAMPLE = 3;

/** Process-exporter's own series of the agent, in every version of it. A matcher that every host passes: series without the label do not. */
const SERIES =
  'count by ($label) (namedprocess_namegroup_num_procs{groupname="$process",$label=~".+"$matchers})';
/** The same, whatever names the host. */
const ANY_SERIES = 'namedprocess_namegroup_num_procs{groupname="$process"}';

/** Whether any gate has a query; else there need be no Prometheus. */
export function asksPrometheus(gates: readonly GatePolicy[]): boolean {
  return gates.some(({ source }) => source === undefined);
}

export function metricsChecks(context: EngineContext, fleet: FleetSource): SelfCheck[] {
  const { policy, prometheus, name } = context.environment;
  const whenSilent = `look at ${prometheus.url}; prometheus.timeout bounds the wait`;
  let pinged: ReturnType<typeof askNow> | undefined;
  /** One that is away is one failure, told where it is asked for, and not one of each gate. */
  const isAway = async (): Promise<boolean> => {
    pinged ??= askNow(context, 'vector(1)');
    const answer = await pinged;
    return !answer.ok && answer.error.kind === 'unavailable';
  };
  const withHosts =
    (
      what: string,
      ask: (hosts: readonly Host[]) => Promise<readonly Finding[]>,
      needs: 'prometheus' | 'hosts' = 'prometheus',
    ): SelfCheck['run'] =>
    async () => {
      const listed = await fleet();
      if (listed === null) return skippedForFleet(what);
      const hosts = eligibleOf(listed);
      if (hosts.length === 0) return [skipped(what, `no VM of ${name} must have the agent`)];
      return needs === 'prometheus' && (await isAway())
        ? [skipped(what, 'Prometheus does not answer')]
        : ask(hosts);
    };
  const label = `label ${prometheus.hostLabel}`;
  const check = (what: string, run: SelfCheck['run']): SelfCheck => ({
    area: 'metrics',
    what,
    whenSilent,
    waits: true,
    run,
  });
  return [
    ...(asksPrometheus(policy.gates)
      ? [
          check(
            label,
            withHosts(label, (hosts) => askLabel(context, label, hosts)),
          ),
        ]
      : []),
    ...policy.gates.flatMap((gate) => {
      const what = `gate ${gate.name}`;
      switch (gate.source?.kind) {
        case undefined:
          return check(
            what,
            withHosts(what, (hosts) => askGate(context, gate, sampleOf(hosts, GATE_SAMPLE))),
          );
        case 'probe': {
          const whenSilent = 'see that SSH and `sudo -n` work there; gates without an answer have no numbers';
          const run = withHosts(
            what,
            (hosts) => askProbe(context, gate, sampleOf(hosts, PROBE_SAMPLE)),
            'hosts',
          );
          return { ...check(what, run), whenSilent };
        }
        case 'witness':
          return []; // asked by checks of its own
        default:
          return gate.source satisfies undefined;
      }
    }),
  ];
}

async function askLabel(context: EngineContext, what: string, hosts: readonly Host[]): Promise<Finding[]> {
  const { prometheus, file } = context.environment;
  const answer = await askNow(context, SERIES);
  if (!answer.ok) return [brokenAs(what, answer.error.message, `look at prometheus in ${file}`)];
  if (answer.value.series.length === 0) return [await explainNone(context, what)];
  return [labelFinding({ what, file, settings: prometheus, hosts, answer: answer.value })];
}

export interface LabelQuestion {
  readonly what: string;
  readonly file: string;
  readonly settings: Pick<PrometheusSettings, 'hostLabel' | 'hostValue'>;
  readonly hosts: readonly Host[];
  readonly answer: RangeAnswer;
}

/** How many hosts the agent's series name. Pure. */
export function labelFinding({ what, file, settings, hosts, answer }: LabelQuestion): Finding {
  const { hostLabel, hostValue } = settings;
  const values = new Set(answer.series.map(({ labels }) => labels[hostLabel] ?? ''));
  const missing = hosts.filter((host) => !values.has(hostValueFor(hostValue, host)));
  const found = `${hosts.length - missing.length} of ${hosts.length} VMs that must have the agent have series of it`;
  if (answer.warnings.length > 0)
    return doubtful(
      what,
      `${found}, and the answer is not whole: ${answer.warnings[0]}`,
      'look at the stores behind it; gates judge nothing on such an answer',
    );
  if (missing.length === 0) return fine(what, found);
  const [first] = missing;
  const wanted = first === undefined ? '' : hostValueFor(hostValue, first);
  if (missing.length === hosts.length) {
    const [example = ''] = values;
    const better = templateThatFits(hosts, values);
    return broken(
      what,
      `${found}: they are expected as ${hostLabel}=${JSON.stringify(wanted)}, and series have ${hostLabel}=${JSON.stringify(example)}`,
      better === null
        ? `set prometheus.hostLabel and prometheus.hostValue in ${file} to what the series have`
        : `set prometheus.hostValue: "${better}" in ${file}`,
    );
  }
  return doubtful(
    what,
    `${found}; without: ${someOf(missing.map(({ name }) => name))}`,
    'see that process-exporter runs there and is scraped; a host without series holds its wave (no data is never a pass)',
  );
}

/** A template by which the series would name these hosts; null when none of the usual ones does. */
function templateThatFits(hosts: readonly Host[], values: ReadonlySet<string>): string | null {
  const projects = [...new Set(hosts.flatMap(({ project }) => (project === undefined ? [] : [project])))];
  const [anyone] = values;
  const port = /:(\d+)$/.exec(anyone ?? '')?.[1];
  const plain = [
    '{name}',
    '{address}',
    '{id}',
    ...projects.flatMap((project) => [`{name}.c.${project}.internal`, `{name}.{zone}.c.${project}.internal`]),
  ];
  const templates = port === undefined ? plain : plain.map((template) => `${template}:${port}`);
  const best = templates
    .map((template) => ({
      template,
      hits: hosts.filter((host) => values.has(hostValueFor(template, host))).length,
    }))
    .sort((a, b) => b.hits - a.hits)[0];
  return best === undefined || best.hits === 0 ? null : best.template;
}

async function explainNone(context: EngineContext, what: string): Promise<Finding> {
  const { policy, prometheus, file } = context.environment;
  const any = await askNow(context, ANY_SERIES);
  const [series] = any.ok ? any.value.series : [];
  if (series === undefined)
    return broken(
      what,
      `no process-exporter tells of processes called ${policy.agent.process}`,
      `have process-exporter watch ${policy.agent.process}, and look at agent.process in ${file}; there, no gate would see anything`,
    );
  const labels = Object.entries(series.labels).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return broken(
    what,
    `series of the agent are there, but not one has ${prometheus.hostLabel}${prometheus.matchers === '' ? '' : ` and ${prometheus.matchers}`}; one is {${labels.join(', ').slice(0, 300)}}`,
    `set prometheus.hostLabel and prometheus.matchers in ${file}`,
  );
}

async function askGate(context: EngineContext, gate: GatePolicy, hosts: readonly Host[]): Promise<Finding[]> {
  const { policy, prometheus, file } = context.environment;
  const to = newest(context);
  const [measured] = await measure({
    metrics: context.metrics,
    gates: [{ ...gate, forMs: 0 }],
    hosts,
    settings: prometheus,
    from: to - policy.sampleEveryMs,
    to,
    stepMs: policy.sampleEveryMs,
    process: policy.agent.process,
  });
  const what = `gate ${gate.name}`;
  if (measured === undefined) return [];
  const { outcome } = measured;
  if (outcome.kind === 'backend-error')
    return [brokenAs(what, outcome.message, `look at gates and prometheus in ${file}`)];
  if (outcome.kind === 'told') return [];
  if (outcome.ambiguous.length > 0) {
    const names = hosts.filter(({ id }) => outcome.ambiguous.includes(id)).map(({ name }) => name);
    return [
      broken(
        what,
        `more than one series for ${someOf(names)}: two exporters or two scrape jobs measure them`,
        `narrow prometheus.matchers in ${file}, such as 'job="process"'`,
      ),
    ];
  }
  if (outcome.warnings.length > 0)
    return [
      doubtful(what, `the answer is not whole: ${outcome.warnings[0]}`, 'look at the stores behind it'),
    ];
  const silent = hosts.filter(({ id }) =>
    (outcome.byHost.get(id) ?? []).every(({ value }) => !Number.isFinite(value)),
  );
  const values = [...outcome.byHost.values()]
    .flatMap((samples) => samples.map(({ value }) => value))
    .filter(Number.isFinite);
  const found = `one series for ${hosts.length - silent.length} of ${hosts.length} VMs${rangeWords(values, gate)}`;
  if (silent.length === 0) return [fine(what, found)];
  const without = `${found}; without: ${someOf(silent.map(({ name }) => name))}`;
  return [doubtful(what, without, `see that the exporters run there and are scraped; ${silenceWords(gate)}`)];
}

/** What becomes of a host without a number. */
function silenceWords({ noData }: GatePolicy): string {
  switch (noData) {
    case 'abstain':
      return 'without it the gate has no vote';
    case 'fail':
      return 'a host without a number counts as bad';
    default:
      return 'a host without a number holds its wave';
  }
}

async function askProbe(
  context: EngineContext,
  gate: GatePolicy,
  hosts: readonly Host[],
): Promise<Finding[]> {
  const { sampleEveryMs: stepMs } = context.environment.policy;
  const what = `gate ${gate.name}`;
  const at = context.clock.now();
  const outcome = (await measureByProbe(context, { gates: [gate], hosts, at, stepMs, now: true })).get(
    gate.name,
  );
  if (outcome === undefined || outcome.kind === 'told') return [];
  if (outcome.kind === 'backend-error')
    return [brokenAs(what, outcome.message, 'look at the checks of hosts: the probe goes over SSH')];
  const silent = hosts.filter(({ id }) => !outcome.byHost.has(id));
  const values = [...outcome.byHost.values()].flatMap((samples) => samples.at(-1)?.value ?? []);
  const found = `the probe told of ${hosts.length - silent.length} of ${hosts.length} VMs${rangeWords(values, gate)}`;
  const [first] = silent;
  if (first === undefined) return [fine(what, found)];
  const why = outcome.notes?.get(first.id) ?? 'no number';
  return [
    doubtful(what, `${found}; ${first.name}: ${why}`, `run it again in a minute; ${silenceWords(gate)}`),
  ];
}

function rangeWords(values: readonly number[], { unit, limit, direction }: GatePolicy): string {
  if (values.length === 0) return '';
  const digits = (value: number): string =>
    unit === 'bytes' ? `${Number((value / 1e6).toPrecision(3))} MB` : String(Number(value.toPrecision(3)));
  const shown = unit === 'bytes' ? '' : ` ${unit}`;
  const least = digits(Math.min(...values));
  const most = digits(Math.max(...values));
  return `, ${least === most ? least : `${least} to ${most}`}${shown} (bad ${direction} ${digits(limit)})`;
}

/** One step, as far behind now as gates are judged. */
function askNow(context: EngineContext, query: string): ReturnType<EngineContext['metrics']['range']> {
  const { policy, prometheus } = context.environment;
  const fillings: QueryFillings = {
    label: prometheus.hostLabel,
    // No question that is asked so names hosts.
    hostValues: [''],
    process: policy.agent.process,
    matchers: prometheus.matchers,
  };
  const [text = ''] = renderQuery({ ...NO_GATE, query }, fillings);
  const at = newest(context);
  return context.metrics.range({ query: text, from: at, to: at, stepMs: policy.sampleEveryMs });
}

const NO_GATE: GatePolicy = {
  name: '',
  query: '',
  unit: '',
  direction: 'above',
  limit: 0,
  windowMs: 0,
  forMs: 0,
};

function newest({ clock, environment: { policy } }: EngineContext): number {
  return clock.now() - policy.sampleDelayMs;
}
