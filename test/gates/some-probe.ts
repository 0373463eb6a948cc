/**
 * The probe over SSH as a rehearsal has it: it asks as few hosts, and as seldom, as engine/probe-hosts.ts does (PH2, PH3 there), its numbers
 * are rates from one reading that a host has kept to the next (domain/probe-numbers.ts), and it knows nothing of the time before a rollout.
 */
import type { GateMeasurement, Judgement, Sample } from '../../src/domain/gate.ts';
import type { GatePolicy } from '../../src/domain/policy.ts';
import { DEFAULT_PROBE } from '../../src/domain/probe-settings.ts';
import { isWorse } from '../../src/domain/step-track.ts';
import { spread } from '../../src/engine/probe-hosts.ts';

const MINUTE_MS = 60_000;
/** domain/probe.ts: older readings tell nothing. host/probe.sh: so many are kept. */
const OLDEST_MINUTES = 180;
const MOST_READINGS = 40;

export interface ProbedOne {
  readonly index: number;
  readonly id: string;
  readonly stratum: string;
}

export interface ProbeOf {
  readonly gate: GatePolicy;
  /** What the host's counter rises by in that one minute. */
  readonly read: (index: number, minute: number) => number;
  /** Does the host not answer then? */
  readonly isSilent: (index: number, minute: number) => boolean;
  /** Minute of the host's own last start. */
  readonly startOf: (index: number, minute: number) => number;
}

export interface ProbeAsked {
  readonly minute: number;
  /** Minutes of a step. */
  readonly every: number;
  readonly changed: readonly ProbedOne[];
  readonly controls: readonly ProbedOne[];
  readonly last: Judgement | null;
}

interface Reading {
  readonly minute: number;
  readonly start: number;
  readonly value: number;
  /** Minutes that it tells of. */
  readonly covers: number;
}

export class SomeProbe {
  readonly #of: ProbeOf;
  readonly #kept = new Map<number, Reading[]>();
  #last: { readonly minute: number; readonly ids: ReadonlySet<string>; readonly clear: boolean } | null =
    null;

  constructor(of: ProbeOf) {
    this.#of = of;
  }

  /** Null: it is not due. */
  ask({ minute, every, changed, controls, last }: ProbeAsked): GateMeasurement['outcome'] | null {
    const { gate } = this.#of;
    const [ours, theirs] = [spread(changed, DEFAULT_PROBE.hosts), spread(controls, DEFAULT_PROBE.hosts)];
    if (!this.#isDue(minute, ours, last)) return null;
    const byHost = new Map<string, readonly Sample[]>();
    for (const { id, index } of [...ours, ...theirs]) {
      const samples = this.#samplesOf(index, minute, every);
      if (samples.length > 0) byHost.set(id, samples);
    }
    const clear = ours.every(({ id }) => {
      const value = byHost.get(id)?.at(-1)?.value;
      return value === undefined || !isWorse(gate.direction, value, gate.limit);
    });
    this.#last = { minute, ids: new Set(ours.map(({ id }) => id)), clear };
    const asked = [...ours, ...theirs].map(({ id }) => id);
    return { kind: 'measured', byHost, ambiguous: [], warnings: [], asked };
  }

  #isDue(minute: number, changed: readonly ProbedOne[], last: Judgement | null): boolean {
    const before = this.#last;
    if (before === null || !before.clear || minute - before.minute >= DEFAULT_PROBE.everyMs / MINUTE_MS)
      return true;
    if (changed.some(({ id }) => !before.ids.has(id))) return true;
    const row = last?.gates.find(({ gate }) => gate === this.#of.gate.name);
    return row !== undefined && row.kind !== 'pass' && row.abstains !== true;
  }

  #samplesOf(index: number, minute: number, every: number): Sample[] {
    const { isSilent, startOf, gate } = this.#of;
    if (isSilent(index, minute)) return [];
    const kept = (this.#kept.get(index) ?? []).filter((one) => minute - one.minute <= OLDEST_MINUTES);
    const start = startOf(index, minute);
    const before = kept.at(-1);
    const covers = before?.start === start ? minute - before.minute : 0;
    const value = this.#rate(index, { minute, start }, kept, gate.windowMs / MINUTE_MS);
    const readings = [...kept, { minute, start, value, covers }].slice(-MOST_READINGS);
    this.#kept.set(index, readings);
    const byStep = new Map<number, number>();
    for (const reading of readings) {
      const back = Math.round((minute - reading.minute) / every);
      for (let step = Math.max(1, Math.round(reading.covers / every)) - 1; step >= 0; step -= 1)
        byStep.set(minute - (back + step) * every, reading.value);
    }
    return [...byStep]
      .sort(([a], [b]) => a - b)
      .map(([at, number]) => ({ at: at * MINUTE_MS, value: number }));
  }

  /** Since the oldest reading of the same process within the window, or the one before it; without any, of two a few seconds apart. */
  #rate(
    index: number,
    { minute, start }: Pick<Reading, 'minute' | 'start'>,
    earlier: readonly Reading[],
    window: number,
  ): number {
    let base: Reading | undefined;
    for (const one of earlier.toReversed()) {
      if (one.start !== start || (base !== undefined && minute - one.minute > window)) break;
      base = one;
    }
    const minutes = base === undefined ? 1 : minute - base.minute;
    let sum = 0;
    for (let back = 0; back < minutes; back += 1) sum += this.#of.read(index, minute - back);
    return sum / minutes;
  }
}
