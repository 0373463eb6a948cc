/**
 * A rollout without an engine: waves, soaks and the bake over made-up numbers, judged by the real judge, at the times and over the spans
 * at which the engine would judge them (decide-watching.ts). What the engine does besides takes no time here.
 */
import { chooseControls } from '../../src/domain/control-hosts.ts';
import type { GateMeasurement, Judgement, Sample } from '../../src/domain/gate.ts';
import { judge } from '../../src/domain/judge.ts';
import type { GatePolicy } from '../../src/domain/policy.ts';
import { BEFORE, type HostDay, MINUTES, QUOTA } from './some-day.ts';
import type { SomeFleet } from './some-fleet.ts';
import { SomeProbe } from './some-probe.ts';
import { bytesMore, coresMore, type SomeVersion } from './some-version.ts';

const MINUTE_MS = 60_000;
const SOAK = 30;
const BAKE = 24 * 60;

/** What a gate's numbers are made of. */
export type Reading = 'cpu' | 'memory' | 'throttled' | 'wait' | 'alert';

export interface RehearsedGate {
  readonly reading: Reading;
  readonly gate: GatePolicy;
}

export interface Rehearsal {
  readonly fleet: SomeFleet;
  readonly day: readonly HostDay[];
  readonly version: SomeVersion;
  readonly gates: readonly RehearsedGate[];
  /**
   * Minutes from one evaluation to the next, which are also its steps. Where they are more than one, a failing evaluation counts at once,
   * whatever the gate's `failures` are: three in a row every minute are over sooner than two of these.
   */
  readonly soakEvery: number;
  readonly bakeEvery: number;
}

export interface Outcome {
  /** Held: neither passed nor rolled back when the time was over. */
  readonly kind: 'rolled-back' | 'passed' | 'held';
  /** Minutes after the first change. */
  readonly minute: number;
  /** Where it came to an end: a wave's number, or the bake. */
  readonly where: number | 'bake';
  /** Gates that failed. */
  readonly gates: readonly string[];
  readonly why: string;
}

export function rehearse(rehearsal: Rehearsal): Outcome {
  return new Run(rehearsal).toTheEnd();
}

class Run {
  readonly #of: Rehearsal;
  readonly #hosts: readonly { id: string; name: string; stratum: string }[];
  /** Minute at which each host was changed. */
  readonly #changed: Int32Array;
  /** By gate and host. */
  readonly #samples: Sample[][][];
  readonly #before: Map<string, number>[];
  /** By gate; null: its numbers are not of the probe. */
  readonly #probes: readonly (SomeProbe | null)[];
  #minute = BEFORE;

  constructor(of: Rehearsal) {
    this.#of = of;
    this.#hosts = of.fleet.hosts.map(({ planned: { id, name, stratum } }) => ({ id, name, stratum }));
    this.#changed = new Int32Array(this.#hosts.length).fill(MINUTES * 2);
    this.#samples = of.gates.map(() => this.#hosts.map(() => []));
    this.#before = of.gates.map(({ gate, reading }) => {
      const before = new Map<string, number>();
      const minutes = (gate.compare?.beforeMs ?? 0) / MINUTE_MS;
      if (minutes === 0 || isProbed(gate)) return before;
      for (const [index, { id }] of this.#hosts.entries()) {
        const numbers: number[] = [];
        for (let minute = BEFORE - minutes; minute < BEFORE; minute += 1) {
          if (this.#of.day[index]?.missing[minute] === 0) numbers.push(this.#read(reading, index, minute));
        }
        if (numbers.length > 0) before.set(id, medianOf(numbers));
      }
      return before;
    });
    this.#probes = of.gates.map(({ gate, reading }) =>
      isProbed(gate)
        ? new SomeProbe({
            gate,
            read: (index, minute) => this.#inMinute(reading, index, minute),
            isSilent: (index, minute) => of.day[index]?.missing[minute] === 1,
            startOf: (index, minute) => {
              const changed = this.#changed[index] ?? MINUTES;
              return minute >= changed ? changed : 0;
            },
          })
        : null,
    );
  }

  toTheEnd(): Outcome {
    const { fleet } = this.#of;
    for (let wave = 0; wave < fleet.waves; wave += 1) {
      this.#change(wave);
      const ended = this.#watch(wave, SOAK, this.#of.soakEvery);
      if (ended !== null) return ended;
    }
    return (
      this.#watch('bake', BAKE, this.#of.bakeEvery) ?? {
        kind: 'passed',
        minute: this.#minute - BEFORE,
        where: 'bake',
        gates: [],
        why: '',
      }
    );
  }

  /** At most a twentieth of the fleet at once, each batch two minutes. */
  #change(wave: number): void {
    const { hosts } = this.#of.fleet;
    const batch = Math.max(1, Math.floor(hosts.length / 20));
    let done = 0;
    for (const [index, host] of hosts.entries()) {
      if (host.wave !== wave) continue;
      this.#changed[index] = this.#minute + 2 * Math.floor(done / batch) + 1;
      done += 1;
    }
    this.#advance(this.#minute + 2 * Math.ceil(done / batch));
  }

  #watch(where: number | 'bake', needed: number, every: number): Outcome | null {
    const { fleet, gates } = this.#of;
    const changed: number[] = [];
    const pending: { index: number; stratum: string }[] = [];
    for (const [index, host] of fleet.hosts.entries()) {
      if (where === 'bake' || host.wave <= where) changed.push(index);
      else pending.push({ index, stratum: host.planned.stratum });
    }
    const strata = new Set(changed.map((index) => this.#hosts[index]?.stratum ?? ''));
    const controls = chooseControls(pending, strata).map(({ index }) => index);
    if (where !== 'bake')
      this.#advance(this.#minute + Math.max(...gates.map(({ gate }) => gate.windowMs)) / MINUTE_MS);
    const since = this.#minute;
    let observedMs = 0;
    let last: Judgement | null = null;
    while (this.#minute + every < MINUTES) {
      this.#advance(this.#minute + every, every);
      const judgement: Judgement = this.#judge({ changed, controls, since, every, last });
      observedMs += judgement.observedMs;
      last = judgement;
      if (judgement.kind === 'fail') {
        const failed = judgement.gates.filter(({ kind }) => kind === 'fail');
        return {
          kind: 'rolled-back',
          minute: this.#minute - BEFORE,
          where,
          gates: failed.map(({ gate }) => gate),
          why: failed.map(({ why }) => why).join('; '),
        };
      }
      if (judgement.kind === 'pass' && observedMs >= needed * MINUTE_MS) return null;
    }
    const idle = last?.gates.filter(({ kind }) => kind !== 'pass') ?? [];
    return {
      kind: 'held',
      minute: this.#minute - BEFORE,
      where,
      gates: idle.map(({ gate }) => gate),
      why: idle.map(({ why }) => why).join('; '),
    };
  }

  #judge(at: {
    changed: readonly number[];
    controls: readonly number[];
    since: number;
    every: number;
    last: Judgement | null;
  }): Judgement {
    const from = (this.#minute - at.every) * MINUTE_MS;
    const pick = (index: number) => this.#hosts[index] ?? { id: '', name: '', stratum: '' };
    const measurements = this.#of.gates.flatMap(({ gate: given }, which): GateMeasurement[] => {
      const gate = at.every === 1 ? given : { ...given, failures: 1 };
      const probe = this.#probes[which];
      if (probe) {
        const probed = (indexes: readonly number[]) => indexes.map((index) => ({ index, ...pick(index) }));
        const outcome = probe.ask({
          minute: this.#minute,
          every: at.every,
          changed: probed(at.changed),
          controls: probed(at.controls),
          last: at.last,
        });
        return outcome === null ? [] : [{ gate, query: '', outcome }];
      }
      const lookBack = Math.max(gate.forMs, gate.compare?.overMs ?? 0) / MINUTE_MS + at.every + 1;
      const byHost = new Map<string, readonly Sample[]>();
      for (const index of [...at.changed, ...at.controls]) {
        byHost.set(pick(index).id, this.#lately(which, index, lookBack));
      }
      const before =
        gate.compare === undefined ? {} : { before: this.#before[which] ?? new Map<string, number>() };
      return [
        { gate, query: '', outcome: { kind: 'measured', byHost, ambiguous: [], warnings: [], ...before } },
      ];
    });
    return judge({
      measurements,
      hosts: at.changed.map((index) => ({
        ...pick(index),
        changedAt: (this.#changed[index] ?? 0) * MINUTE_MS,
      })),
      controls: at.controls.map(pick),
      last: at.last,
      from,
      to: this.#minute * MINUTE_MS,
      stepMs: at.every * MINUTE_MS,
    });
  }

  /** Newest samples of a host, at least those of `minutes`. */
  #lately(which: number, index: number, minutes: number): readonly Sample[] {
    const all = this.#samples[which]?.[index] ?? [];
    const from = (this.#minute - minutes) * MINUTE_MS;
    let first = all.length;
    while (first > 0 && (all[first - 1]?.at ?? 0) > from) first -= 1;
    return all.slice(first);
  }

  /** Lets time pass; numbers are read every minute, or every few. */
  #advance(to: number, every = 1): void {
    const end = Math.min(to, MINUTES - 1);
    for (let minute = this.#minute + every; minute <= end; minute += every) {
      for (let index = 0; index < this.#hosts.length; index += 1) {
        if (this.#of.day[index]?.missing[minute] === 1) continue;
        for (const [which, { reading }] of this.#of.gates.entries()) {
          if (this.#probes[which]) continue;
          this.#samples[which]?.[index]?.push({
            at: minute * MINUTE_MS,
            value: this.#read(reading, index, minute),
          });
        }
      }
    }
    this.#minute = end;
  }

  #read(reading: Reading, index: number, minute: number): number {
    const day = this.#of.day[index];
    const role = this.#of.fleet.hosts[index]?.role ?? 0;
    if (day === undefined) return Number.NaN;
    const { version } = this.#of;
    const changed = this.#changed[index] ?? MINUTES;
    if (reading === 'alert') return this.#alerts(index, minute);
    if (reading === 'memory') {
      // A start frees what was gathered; what it holds right afterwards is the usual again.
      return (day.memory[minute] ?? 0) + bytesMore(version, role, minute - changed) * day.weight;
    }
    let sum = 0;
    for (let back = 0; back < 5; back += 1) sum += this.#inMinute(reading, index, minute - back);
    return sum / 5;
  }

  /** Of what is a rate: what it rises by in one minute. */
  #inMinute(reading: Reading, index: number, minute: number): number {
    const day = this.#of.day[index];
    if (day === undefined) return Number.NaN;
    const role = this.#of.fleet.hosts[index]?.role ?? 0;
    const since = minute - (this.#changed[index] ?? MINUTES);
    const more = coresMore(this.#of.version, role, since) * day.weight;
    const wanted = (day.wanted[minute] ?? 0) + more;
    if (reading === 'cpu') return Math.min(QUOTA, wanted);
    if (reading === 'throttled') return wanted >= QUOTA ? 1 : (day.burstiness * wanted) / QUOTA;
    return (day.wait[minute] ?? 0) + 0.3 * Math.min(QUOTA, more);
  }

  /** OSQueryHighCPU (FACTS.md): 1 where the 5-minute rate has been above 0.1 for 15 minutes. */
  #alerts(index: number, minute: number): number {
    for (let back = 0; back <= 15; back += 1) {
      if (this.#read('cpu', index, minute - back) <= 0.1) return 0;
    }
    return 1;
  }
}

function isProbed({ source }: GatePolicy): boolean {
  return source?.kind === 'probe';
}

function medianOf(numbers: number[]): number {
  numbers.sort((a, b) => a - b);
  const middle = numbers.length >> 1;
  const upper = numbers[middle] ?? Number.NaN;
  return numbers.length % 2 === 1 ? upper : ((numbers[middle - 1] ?? Number.NaN) + upper) / 2;
}
