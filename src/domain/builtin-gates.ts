/**
 * The gates that ship with the program: what is asked, of whom, in which unit. An environment overrides any of it by name. The numbers
 * of those that compare are in builtin-comparisons.ts.
 *
 * Every query gives one series a host, and none where the newest scrape failed or is older than the window: Prometheus
 * would otherwise repeat a dead host's last number for five minutes. They aggregate `without`, never `by`: a host that two
 * scrape jobs measure must show as two series (ambiguous, G2), not as the sum of both.
 */
import { AGENT_ALERTS, AGENT_CPU, AGENT_MEMORY, AGENT_THROTTLED, HOST_WAIT } from './builtin-comparisons.ts';
import type { GatePolicy } from './policy.ts';
import type { ProbeReadingName } from './probe.ts';

export type BuiltinGateName =
  | 'agent-cpu'
  | 'agent-memory'
  | 'agent-restarts'
  | 'agent-alive'
  | 'agent-throttled'
  | 'agent-blind'
  | 'host-run-queue'
  | 'alerts';

const AGENT = 'groupname="$process",$label=~"$hosts"$matchers';
const ALIVE = `namedprocess_namegroup_num_procs{${AGENT}}`;
const STARTED = `namedprocess_namegroup_oldest_start_time_seconds{${AGENT}}`;
const RESIDENT = `namedprocess_namegroup_memory_bytes{${AGENT},memtype="resident"}`;

const rateOf = (counter: string): string =>
  `rate(namedprocess_namegroup_cpu_${counter}_total{${AGENT}}[$window])`;

/** Of node_exporter, which may be scraped by another job than process-exporter: `prometheus.matchers` must fit both. */
const WAITING = 'node_schedstat_waiting_seconds_total{$label=~"$hosts"$matchers}';
/** Rules keep the host's label or lose it; what is left of it names the host as series do. */
const FIRING = 'ALERTS{$label=~"$hosts",alertstate="firing",alertname=~"(?i:.*osquery.*)"$matchers}';

/** A gauge, only where a sample of it lies within the window. */
const fresh = (gauge: string): string => `${gauge} and last_over_time(${gauge}[$window])`;

export const BUILTIN_GATES: Readonly<Record<BuiltinGateName, GatePolicy>> = {
  /**
   * Cores that the agent's processes use together. 0.10 is the limit of GitLab's alert OSQueryHighCPU, over its window of
   * 5 min.
   * process-exporter >= 0.5 splits one counter by mode, 0.0-0.1 has the same name without mode, 0.2-0.4 has two counters.
   */
  'agent-cpu': {
    name: 'agent-cpu',
    query:
      `(sum without (mode) (${rateOf('seconds')})` +
      ` or ${rateOf('user_seconds')} + ${rateOf('system_seconds')})` +
      ` and ${ALIVE}`,
    unit: 'cores',
    direction: 'above',
    ...AGENT_CPU,
  },
  /**
   * Resident bytes of watcher and worker together. osquery's watchdog ends a worker above 200 MB (level normal); 50 MB on
   * top are for the watcher, for pages that both are counted for, and for what is allocated between two polls (3 s). So
   * minutes above the limit mean that the watchdog does not do its work. Raise it where `watchdog_memory_limit` is raised.
   */
  'agent-memory': {
    name: 'agent-memory',
    query: `sum without (memtype) (${fresh(RESIDENT)})`,
    unit: 'bytes',
    direction: 'above',
    ...AGENT_MEMORY,
  },
  /**
   * How often the agent's oldest process was another one, within the window. A group without processes has the start time
   * -62135596800 (Go's zero time), so a stop is a change and a reset, a start only a change: the difference counts starts.
   * The upgrade's own restart lies before the judged window. One more is tolerated: configuration management restarts
   * agents, and a restarted exporter may read a start time that is one second later. Two within 5 min are a crash loop;
   * one too fast to leave a trace here shows in `agent-alive`.
   */
  'agent-restarts': {
    name: 'agent-restarts',
    query: `changes(${STARTED}[$window]) - resets(${STARTED}[$window]) and ${STARTED}`,
    unit: 'restarts',
    direction: 'above',
    limit: 1,
    windowMs: 300_000,
    forMs: 0,
  },
  /**
   * Processes of the agent. A dead group stays with 0 rather than going absent. 60 s: a restart that a person or
   * configuration management does takes seconds, and one scrape may fall into it. The window holds two scrapes of the
   * usual 60 s at most.
   */
  'agent-alive': {
    name: 'agent-alive',
    query: fresh(ALIVE),
    unit: 'processes',
    direction: 'below',
    limit: 1,
    windowMs: 120_000,
    forMs: 60_000,
  },
  /**
   * Share of the time's CFS periods in which the unit's CPUQuota made the agent stop. Under the stock unit (20 %) CPU can never read
   * above 0.20 of a core, so low CPU is no proof: a version that wants a whole core shows here and nowhere else. 0 where there is no
   * quota, or where the kernel does not enforce it; the note says which. Prometheus does not know it, so the hosts are asked. It is
   * a witness beside others: where it cannot be read it leaves the verdict to them.
   */
  'agent-throttled': {
    name: 'agent-throttled',
    query: '',
    source: { kind: 'probe', reading: 'throttled' },
    unit: 'of the time',
    direction: 'above',
    ...AGENT_THROTTLED,
    noData: 'abstain',
    backendErrors: 'abstain',
  },
  /**
   * Seconds for which an agent that runs has executed or written nothing, beyond what is usual on that host: the schedule beyond its
   * shortest interval, the results log beyond the largest distance of two records in its last part. So a quiet host is held against
   * itself and not against a busy one, and 15 min are on top of that. It takes two evaluations: a log may just be rotated. Agents that
   * neither log to a file nor serve a socket cannot be asked: then it leaves the verdict to the others.
   */
  'agent-blind': {
    name: 'agent-blind',
    query: '',
    source: { kind: 'probe', reading: 'silence' },
    unit: 'seconds',
    direction: 'above',
    limit: 900,
    windowMs: 60_000,
    forMs: 0,
    failures: 2,
    noData: 'abstain',
    backendErrors: 'abstain',
  },
  /**
   * Seconds a second and core that tasks of the host wait for a core: the pain of those who live there. Hosts differ by more than any
   * agent does, and a busy day is nobody's fault: the limit is generous, and control hosts decide. Where node_exporter is not scraped
   * it leaves the verdict to the others.
   */
  'host-run-queue': {
    name: 'host-run-queue',
    query: `avg without (cpu) (rate(${WAITING}[$window]) and ${WAITING})`,
    unit: 'seconds a second and core',
    direction: 'above',
    ...HOST_WAIT,
    noData: 'abstain',
  },
  /**
   * Alerts that fire for the host. By their name only those about the agent: what else fires there (a full disk) is not the version's
   * doing; for a wider net write a `query` of one's own with another alertname. ALERTS has no series for what does not fire, so the
   * zero is of hosts whose agent is measured: an empty answer is no data, never a pass.
   * Aggregated `by`: each rule has labels of its own, and two alerts of one host are no ambiguity.
   */
  alerts: {
    name: 'alerts',
    query: `count by ($label) (${FIRING}) or 0 * max by ($label) (${fresh(ALIVE)})`,
    unit: 'alerts',
    direction: 'above',
    ...AGENT_ALERTS,
  },
};

/** Where there is no Prometheus: the reading of the probe that gives the same number; null: nothing on the host knows it. */
export const BUILTIN_READINGS: Readonly<Record<BuiltinGateName, ProbeReadingName | null>> = {
  'agent-cpu': 'cpu',
  'agent-memory': 'memory',
  'agent-restarts': 'restarts',
  'agent-alive': 'processes',
  'agent-throttled': 'throttled',
  'agent-blind': 'silence',
  'host-run-queue': 'run-queue',
  alerts: null,
};

/**
 * What an environment has that lists no gates: all of them. None of those that need more than process-exporter holds a site that has
 * no more (`noData: abstain`, and a zero for hosts without alerts); the two of the probe ask few hosts and seldom (probe-hosts.ts).
 */
export const DEFAULT_GATES = Object.keys(BUILTIN_READINGS) as readonly BuiltinGateName[];
