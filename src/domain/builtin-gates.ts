/**
 * The gates that ship with the program, over process-exporter's series. An environment overrides their numbers by name.
 *
 * Every query gives one series a host, and none where the newest scrape failed or is older than the window: Prometheus
 * would otherwise repeat a dead host's last number for five minutes. They aggregate `without`, never `by`: a host that two
 * scrape jobs measure must show as two series (ambiguous, G2), not as the sum of both.
 */
import type { GatePolicy } from './policy.ts';

export type BuiltinGateName = 'agent-cpu' | 'agent-memory' | 'agent-restarts' | 'agent-alive';

const AGENT = 'groupname="$process",$label=~"$hosts"$matchers';
const ALIVE = `namedprocess_namegroup_num_procs{${AGENT}}`;
const STARTED = `namedprocess_namegroup_oldest_start_time_seconds{${AGENT}}`;
const RESIDENT = `namedprocess_namegroup_memory_bytes{${AGENT},memtype="resident"}`;

const rateOf = (counter: string): string =>
  `rate(namedprocess_namegroup_cpu_${counter}_total{${AGENT}}[$window])`;

/** A gauge, only where a sample of it lies within the window. */
const fresh = (gauge: string): string => `${gauge} and last_over_time(${gauge}[$window])`;

export const BUILTIN_GATES: Readonly<Record<BuiltinGateName, GatePolicy>> = {
  /**
   * Cores that the agent's processes use together. 0.10 is the limit of GitLab's alert OSQueryHighCPU, over its window of
   * 5 min. The alert waits 15 min to spare a person; here two disjoint windows (5 min) are enough, since one burst, such as
   * a schedule's first run, can hold a 5 min average up for no longer than that.
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
    limit: 0.1,
    windowMs: 300_000,
    forMs: 300_000,
  },
  /**
   * Resident bytes of watcher and worker together. osquery's watchdog ends a worker above 200 MB (level normal); 50 MB on
   * top are for the watcher, for pages that both are counted for, and for what is allocated between two polls (3 s). So
   * 2 min above the limit mean that the watchdog does not do its work. Raise it where `watchdog_memory_limit` is raised.
   */
  'agent-memory': {
    name: 'agent-memory',
    query: `sum without (memtype) (${fresh(RESIDENT)})`,
    unit: 'bytes',
    direction: 'above',
    limit: 250e6,
    windowMs: 120_000,
    forMs: 120_000,
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
};
