/** The program's own metrics as prom-client has them: gauges of the present state, counters and durations off the journal's entries. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Entry } from '../../domain/journal.ts';
import { GAUGES, type GaugeName, type Gauge as Measured } from '../../domain/own-measures.ts';

/** How a command ended, for `rollout_run_*`. */
export interface RunEnd {
  /** First words of what was typed, such as `advance`: no names of hosts, no values of options. */
  readonly command: string;
  readonly environments: readonly string[];
  readonly exit: number;
  /** Ms since the epoch. */
  readonly startedAt: number;
  readonly endedAt: number;
}

export interface OwnRegistry {
  readonly registry: Registry;
  /** Counts entries of an environment's journal: each is to be given once, in order. */
  count(environment: string, entries: readonly Entry[]): void;
  /** Sets an environment's gauges anew: what is not among them is no longer true. */
  set(environment: string, gauges: readonly Measured[]): void;
  end(run: RunEnd): void;
}

/** Seconds that one action at one host takes: from a look to an installation that waits for dpkg's lock. */
const DURATIONS = [0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600];

export function createRegistry(): OwnRegistry {
  const registry = new Registry();
  const registers = [registry];
  const held = new Map<string, readonly Measured[]>();
  const gauges = new Map<GaugeName, Gauge>();
  const evaluations = new Counter({
    name: 'rollout_gate_evaluations_total',
    help: 'Evaluations of a gate by verdict, over the whole journal.',
    labelNames: ['environment', 'gate', 'verdict'],
    registers,
  });
  const rollouts = new Counter({
    name: 'rollout_ends_total',
    help: 'Rollouts by how they ended: done, rolled-back, aborted.',
    labelNames: ['environment', 'end'],
    registers,
  });
  const durations = new Histogram({
    name: 'rollout_host_action_duration_seconds',
    help: 'How long an action took at a host, by outcome.',
    labelNames: ['environment', 'action', 'outcome'],
    buckets: DURATIONS,
    registers,
  });
  const runs = {
    exit: new Gauge({
      name: 'rollout_run_exit_code',
      help: 'How the last run of a command ended.',
      labelNames: ['environment', 'command'],
      registers,
    }),
    ended: new Gauge({
      name: 'rollout_run_ended_timestamp_seconds',
      help: 'When the last run of a command ended.',
      labelNames: ['environment', 'command'],
      registers,
    }),
    took: new Gauge({
      name: 'rollout_run_duration_seconds',
      help: 'How long it took.',
      labelNames: ['environment', 'command'],
      registers,
    }),
  };
  return {
    registry,
    count(environment, entries) {
      for (const { body } of entries) {
        switch (body.kind) {
          case 'judged':
            for (const { gate, kind: verdict } of body.judgement.gates)
              evaluations.inc({ environment, gate, verdict });
            break;
          case 'hosts-answered':
            for (const { outcome, tookMs } of body.hosts)
              durations.observe({ environment, action: body.action, outcome: outcome.kind }, tookMs / 1000);
            break;
          case 'rollout-done':
            rollouts.inc({ environment, end: 'done' });
            break;
          case 'rolled-back':
            rollouts.inc({ environment, end: 'rolled-back' });
            break;
          case 'abort-requested':
            rollouts.inc({ environment, end: 'aborted' });
            break;
          default:
        }
      }
    },
    set(environment, measured) {
      held.set(environment, measured);
      for (const gauge of gauges.values()) gauge.reset();
      for (const { name, labels, value } of [...held.values()].flat()) {
        const known = gauges.get(name);
        const gauge =
          known ?? new Gauge({ name, help: GAUGES[name], labelNames: Object.keys(labels), registers });
        gauges.set(name, gauge);
        gauge.set(labels, value);
      }
    },
    end({ command, environments, exit, startedAt, endedAt }) {
      for (const environment of environments) {
        runs.exit.set({ environment, command }, exit);
        runs.ended.set({ environment, command }, endedAt / 1000);
        runs.took.set({ environment, command }, (endedAt - startedAt) / 1000);
      }
    },
  };
}
