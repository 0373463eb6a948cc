/**
 * Judging 10,000 changed hosts beside 5,000 control hosts, 15 steps each, of 40 strata, by the default gates. Goal: under 200 ms in all.
 * Without strata too, where everything is one large test.
 */
import { BUILTIN_GATES } from '../src/domain/builtin-gates.ts';
import type { GateMeasurement, Sample } from '../src/domain/gate.ts';
import { type JudgeInput, judge } from '../src/domain/judge.ts';
import type { GateComparison, GatePolicy } from '../src/domain/policy.ts';
import { type BenchRow, measure, median } from './row.ts';

const HOSTS = 10_000;
const CONTROLS = 5_000;
const STEPS = 15;
const STEP_MS = 60_000;
const STRATA = 40;
const TIMES = 5;

export async function benchJudging(): Promise<BenchRow[]> {
  return [await row('strata', (index) => `role-${index % STRATA}`), await row('one kind', () => 'all')];
}

async function row(words: string, stratumOf: (index: number) => string): Promise<BenchRow> {
  const input = inputOf(stratumOf);
  judge(input);
  const walls: number[] = [];
  const cpus: number[] = [];
  let kinds = '';
  for (let time = 0; time < TIMES; time += 1) {
    const { value, wallMs, cpuMs } = await measure(() => judge(input));
    walls.push(wallMs);
    cpus.push(cpuMs);
    kinds = value.gates.map(({ comparison }) => comparison?.kind ?? 'limit').join(', ');
  }
  const compared = input.measurements.filter(({ gate }) => gate.compare !== undefined).length;
  return {
    name: `judge ${HOSTS} + ${CONTROLS} hosts, ${words}`,
    what: 'judging',
    wallMs: median(walls),
    cpuMs: median(cpus),
    goalMs: 200,
    note: `${input.measurements.length} gates, ${compared} of them compare (${kinds}); median of ${TIMES}`,
  };
}

const AGAINST_CONTROL: GateComparison = {
  with: 'control',
  effect: 0.02,
  relativeEffect: 0.25,
  alpha: 0.01,
  overMs: STEPS * STEP_MS,
  beforeMs: 3_600_000,
  tooFew: 'abstain',
};

/** As they ship; where they compare with nothing, CPU and memory do here, since that is what takes long. */
function gates(): GatePolicy[] {
  return Object.values(BUILTIN_GATES).map((gate: GatePolicy) =>
    gate.compare === undefined && (gate.name === 'agent-cpu' || gate.name === 'agent-memory')
      ? { ...gate, compare: { ...AGAINST_CONTROL, effect: gate.limit / 5 } }
      : gate,
  );
}

function inputOf(stratumOf: (index: number) => string): JudgeInput {
  const from = Date.parse('2026-03-01T03:00:00Z');
  const all = Array.from({ length: HOSTS + CONTROLS }, (_, index) => ({
    id: `${4_000_000_000_000_000 + index}`,
    name: `host-${index}`,
    stratum: stratumOf(index),
  }));
  const measurements = gates().map((gate): GateMeasurement => {
    const usual = gate.direction === 'above' ? gate.limit / 3 : gate.limit * 2;
    // Reproducible, different at every host and step, and never near the limit.
    const at = (host: number, step: number): number =>
      usual * (1 + 0.3 * Math.sin(host * 12.9898 + step * 78.233 + gate.name.length));
    const series = (host: number): Sample[] =>
      Array.from({ length: STEPS }, (_, step) => ({
        at: from + (step + 1) * STEP_MS,
        value: at(host, step),
      }));
    return {
      gate,
      query: gate.query,
      outcome: {
        kind: 'measured',
        byHost: new Map(all.map(({ id }, index) => [id, series(index)])),
        before: new Map(all.map(({ id }, index) => [id, at(index, STEPS)])),
        ambiguous: [],
        warnings: [],
      },
    };
  });
  return {
    measurements,
    hosts: all.slice(0, HOSTS),
    controls: all.slice(HOSTS),
    from,
    to: from + STEPS * STEP_MS,
    stepMs: STEP_MS,
  };
}
