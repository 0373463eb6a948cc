/**
 * What the program tells of itself to a Prometheus: gauges of an environment's state. Pure.
 *
 * OM1  All of it is read off the journal, so that a CI job that lives for a minute tells the same as one that waits for a day.
 * OM2  A label's values are few: environments, phases, gates, codes. Hosts are counted, never named.
 */
import { closedNow } from './closed.ts';
import { decide } from './decide.ts';
import type { Environment } from './environment.ts';
import { isFinished } from './fold.ts';
import type { GateVerdict } from './gate.ts';
import { holdsOf } from './holds.ts';
import type { EnvironmentState, HostState, RolloutState } from './state.ts';

/** One number of one gauge. Times are seconds since the epoch, durations seconds, as Prometheus has them. */
export interface Gauge {
  readonly name: GaugeName;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Every gauge with what it says. */
export const GAUGES = {
  rollout_info: 'The newest rollout: 1, with its version, kind, phase and id as labels.',
  rollout_under_way: '1 while a rollout is neither done, rolled back nor aborted.',
  rollout_held:
    '1 while a rollout waits for something outside: approval, a pause, hosts, metrics. `code` says for what.',
  rollout_phase_started_timestamp_seconds: 'When the present phase began.',
  rollout_wave: 'The wave that is changed or watched, from 1; 0: none.',
  rollout_waves: 'Waves of the newest rollout.',
  rollout_hosts: 'Hosts of the newest rollout by state.',
  rollout_hosts_armed: 'Hosts that go back by themselves unless the program confirms the version there.',
  rollout_watch_observed_seconds: 'Time observed healthy in the present soak or bake (`watch`).',
  rollout_watch_required_seconds: 'Time that must be observed healthy in it.',
  rollout_gate_verdict: '1 for the verdict that the gate had at the last evaluation, 0 for the others.',
  rollout_gate_value: "Worst value of the last evaluation, in the gate's unit.",
  rollout_gate_limit: "The gate's limit, in its unit.",
  rollout_gate_shift:
    'How much worse the changed hosts are than those they are compared with, in the unit of the gate.',
  rollout_last_evaluation_timestamp_seconds: 'When the gates were last evaluated.',
  rollout_holds: 'Hosts whose agent is to stay stopped.',
  rollout_holds_due: 'Of them those past their end: nothing lifts them by itself.',
  rollout_quarantined_digests: 'Digests that were rolled back and that no environment takes again.',
  rollout_journal_entries: 'Number of the last journal entry.',
  rollout_journal_last_entry_timestamp_seconds: 'When the last journal entry was written.',
  rollout_coverage_percent:
    'Share of the VMs that must have the agent which are proven to have it, as `coverage` last found.',
  rollout_coverage_target_percent: 'What `coverage.target` asks for.',
} as const;

export type GaugeName = keyof typeof GAUGES;

const HOST_STATES: readonly HostState[] = [
  'pending',
  'installing',
  'verified',
  'failed',
  'unreachable',
  'blocked',
  'gone',
  'skipped',
  'reverting',
  'reverted',
  'revert-failed',
];

const VERDICTS = ['pass', 'fail', 'inconclusive', 'error'] as const;

/** `now` is ms since the epoch. */
export function gaugesOf(
  environment: Pick<Environment, 'name' | 'freeze' | 'maintenance'>,
  state: EnvironmentState,
  now: number,
): Gauge[] {
  const labels = { environment: environment.name };
  const one = (gauge: GaugeName, value: number, more: Readonly<Record<string, string>> = {}): Gauge => ({
    name: gauge,
    labels: { ...labels, ...more },
    value,
  });
  const holds = holdsOf(state, now);
  const common = [
    one('rollout_holds', holds.length),
    one('rollout_holds_due', holds.filter(({ due }) => due).length),
    one('rollout_quarantined_digests', state.quarantine.length),
    one('rollout_journal_entries', state.head?.seq ?? 0),
    one('rollout_journal_last_entry_timestamp_seconds', state.latestAt / 1000),
    one('rollout_under_way', state.rollout !== null && !isFinished(state.rollout) ? 1 : 0),
  ];
  const { rollout } = state;
  if (rollout === null) return [...common, one('rollout_held', 0, { code: '' })];
  const { phase, version, kind, id } = rollout;
  const counts = new Map<HostState, number>(HOST_STATES.map((each) => [each, 0]));
  let armed = 0;
  for (const host of rollout.hosts.values()) {
    counts.set(host.state, (counts.get(host.state) ?? 0) + 1);
    if (host.armedUntil !== null) armed += 1;
  }
  const code = heldCode(rollout, closedNow(environment, now), now);
  return [
    ...common,
    one('rollout_info', 1, { rollout: id, version, kind, phase: phase.kind }),
    one('rollout_held', code === '' ? 0 : 1, { code }),
    one(
      'rollout_phase_started_timestamp_seconds',
      ('since' in phase ? phase.since : rollout.plannedAt) / 1000,
    ),
    one('rollout_wave', 'wave' in phase ? phase.wave + 1 : 0),
    one('rollout_waves', rollout.waveCount),
    ...[...counts].map(([each, count]) => one('rollout_hosts', count, { state: each })),
    one('rollout_hosts_armed', armed),
    ...watchGauges(rollout, one),
  ];
}

function heldCode(rollout: RolloutState, frozen: Environment['freeze'][number] | null, now: number): string {
  if (isFinished(rollout)) return '';
  const decision = decide(rollout, { gone: new Set(), present: new Set(), frozen }, now);
  return decision.next === 'hold' ? decision.reason.code : '';
}

type One = (gauge: GaugeName, value: number, more?: Readonly<Record<string, string>>) => Gauge;

function watchGauges({ phase, policy }: RolloutState, one: One): Gauge[] {
  if (phase.kind !== 'soaking' && phase.kind !== 'baking') return [];
  const { watch } = phase;
  const of = { watch: phase.kind === 'soaking' ? 'soak' : 'bake' };
  const requiredMs = phase.kind === 'soaking' ? policy.soakMs : policy.bakeMs;
  return [
    one('rollout_watch_observed_seconds', watch.observedMs / 1000, of),
    one('rollout_watch_required_seconds', requiredMs / 1000, of),
    ...(watch.last === null
      ? []
      : [
          one('rollout_last_evaluation_timestamp_seconds', watch.lastAt / 1000),
          ...watch.last.gates.flatMap((gate) => gateGauges(gate, one)),
        ]),
  ];
}

function gateGauges({ gate, kind, worst, limit, unit, comparison }: GateVerdict, one: One): Gauge[] {
  return [
    ...VERDICTS.map((verdict) => one('rollout_gate_verdict', verdict === kind ? 1 : 0, { gate, verdict })),
    one('rollout_gate_limit', limit, { gate, unit }),
    ...(worst === undefined ? [] : [one('rollout_gate_value', worst, { gate, unit })]),
    ...(comparison?.shift === undefined ? [] : [one('rollout_gate_shift', comparison.shift, { gate, unit })]),
  ];
}
