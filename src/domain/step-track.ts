/** One host's steps under one gate: what state each is in, and whether an excess has lasted (K1-K3, K5 in judge.ts). Pure. */
import type { Sample } from './gate.ts';
import type { GatePolicy } from './policy.ts';

const MISSING = 0;
const HEALTHY = 1;
const OVER = 2;
type State = typeof MISSING | typeof HEALTHY | typeof OVER;
const STATES = { [MISSING]: 'missing', [HEALTHY]: 'healthy', [OVER]: 'over' } as const;

export interface Seen {
  /** Finite numbers inside the span. */
  readonly samples: number;
  /** Steps with a finite number in the whole look-back. */
  readonly given: number;
  /** Worst of the span, and the step it was seen at. */
  readonly worst: number | undefined;
  readonly worstStep: number;
  /** Was over it long enough (K3). */
  readonly failed: boolean;
  /** State at the newest step; silence that counts as over the limit is `over`. */
  readonly newest: 'missing' | 'healthy' | 'over';
  /** There is no number at the newest step, however that counts. */
  readonly silent: boolean;
  /** There is no sample at the newest step, and the one right before was healthy (K5). */
  readonly lapsed: boolean;
}

export interface StepGrid {
  /** Whole steps of the span, and how many before it are looked at. */
  readonly steps: number;
  readonly before: number;
  /** Beginning of the span, ms since the epoch. */
  readonly from: number;
  readonly stepMs: number;
  readonly gate: Pick<GatePolicy, 'direction' | 'limit'>;
}

/** Is told of every step of the span, from 0. */
export interface StepMarks {
  /** `lapsed`: no sample at all, and healthy right before (K5). */
  missing(step: number, lapsed: boolean): void;
  /** `lasted`: for as long as `for` has it, or longer. */
  over(step: number, lasted: boolean): void;
}

/** One host's steps, reused from host to host: 10,000 hosts must not make 10,000 arrays. */
export class StepTrack {
  readonly #steps: number;
  /** Steps before the span. */
  readonly #before: number;
  readonly #from: number;
  readonly #stepMs: number;
  readonly #direction: 'above' | 'below';
  readonly #limit: number;
  readonly #state: Uint8Array;
  readonly #value: Float64Array;
  /** A number that cannot be counted was seen: it makes the step missing, whatever else is there. */
  readonly #spoilt: Uint8Array;
  readonly #sorted: Float64Array;

  constructor({ steps, before, from, stepMs, gate }: StepGrid) {
    this.#steps = steps;
    // One more than asked for: a run that ends at step 1 and lasts `before` steps began that much earlier.
    this.#before = steps === 0 ? 0 : before + 1;
    this.#from = from;
    this.#stepMs = stepMs;
    this.#direction = gate.direction;
    this.#limit = gate.limit;
    this.#state = new Uint8Array(this.#before + steps);
    this.#value = new Float64Array(this.#before + steps);
    this.#spoilt = new Uint8Array(this.#before + steps);
    this.#sorted = new Float64Array(this.#before + steps);
  }

  /** Sorts samples later than `after` into steps; their order does not matter, the worst of a step counts. */
  load(samples: readonly Sample[], after = Number.NEGATIVE_INFINITY): void {
    const [state, worst, spoilt] = [this.#state, this.#value, this.#spoilt];
    const [from, stepMs, before, steps] = [this.#from, this.#stepMs, this.#before, state.length];
    const sign = this.#direction === 'above' ? 1 : -1;
    const limit = sign * this.#limit;
    state.fill(MISSING);
    spoilt.fill(0);
    let index = -1;
    // Where the next step ends: most series have one sample a step, in order, and need no division.
    let next = Number.NaN;
    for (let place = 0; place < samples.length; place += 1) {
      const sample = samples[place];
      if (sample === undefined) continue;
      const { at, value } = sample;
      if (at === next) {
        index += 1;
        next += stepMs;
      } else {
        index = Math.ceil((at - from) / stepMs) - 1 + before;
        next = from + (index + 2 - before) * stepMs;
      }
      if (!(index >= 0 && index < steps) || at <= after) continue;
      if (!Number.isFinite(value)) {
        spoilt[index] = 1;
        continue;
      }
      if (state[index] !== MISSING && !(sign * value > sign * (worst[index] ?? value))) continue;
      worst[index] = value;
      state[index] = sign * value > limit ? OVER : HEALTHY;
    }
  }

  /** Counts the steps later than `after` without a number as over the limit, those of the span only where `mayCount` says so. */
  countSilence(after: number, mayCount: (step: number) => boolean): void {
    for (let index = 0; index < this.#state.length; index += 1) {
      const step = index - this.#before;
      if (this.#stateAt(index) !== MISSING || this.#endOf(index) <= after) continue;
      if (step >= 0 && !mayCount(step)) continue;
      this.#spoilt[index] = 0;
      this.#state[index] = OVER;
      this.#value[index] = Number.NaN;
    }
  }

  /** Looks at the loaded host's steps in order, and tells `marks` those of the span at which it was not healthy. */
  walk(forMs: number, marks: StepMarks | null): Seen {
    let samples = 0;
    let given = 0;
    let worst: number | undefined;
    let worstStep = 0;
    let failed = false;
    let runStart = -1;
    let state: State = MISSING;
    let lapsed = false;
    let hasNumber = this.#steps === 0;
    for (let index = 0; index < this.#state.length; index += 1) {
      const stateBefore = state;
      state = this.#stateAt(index);
      const value = this.#value[index] ?? 0;
      lapsed = state === MISSING && stateBefore === HEALTHY && this.#spoilt[index] === 0;
      // NaN: silence that counts as over.
      hasNumber = state !== MISSING && !Number.isNaN(value);
      if (hasNumber) given += 1;
      if (state === OVER) {
        if (runStart < 0) runStart = index;
      } else runStart = -1;
      const step = index - this.#before;
      if (step < 0) continue;
      if (state === MISSING) marks?.missing(step, lapsed);
      if (hasNumber) {
        samples += 1;
        if (worst === undefined || isWorse(this.#direction, value, worst)) {
          worst = value;
          worstStep = step + 1;
        }
      }
      if (state === OVER) {
        const lasted = (index - runStart) * this.#stepMs >= forMs;
        if (lasted) failed = true;
        marks?.over(step, lasted);
      }
    }
    const newest = this.#steps === 0 ? 'healthy' : STATES[state];
    return { samples, given, worst, worstStep, failed, newest, silent: !hasNumber, lapsed };
  }

  /** Median of the finite numbers of the steps that end later than `after`; null where there are fewer than `atLeast`. */
  median(after: number, atLeast: number): number | null {
    let count = 0;
    for (let index = this.#state.length - 1; index >= 0 && this.#endOf(index) > after; index -= 1) {
      const value = this.#value[index] ?? 0;
      if (this.#stateAt(index) === MISSING || Number.isNaN(value)) continue;
      this.#sorted[count] = value;
      count += 1;
    }
    if (count < Math.max(1, atLeast)) return null;
    sortFirst(this.#sorted, count);
    const upper = this.#sorted[count >> 1] ?? 0;
    return count % 2 === 1 ? upper : (this.#sorted[(count >> 1) - 1] ?? 0) / 2 + upper / 2;
  }

  #stateAt(index: number): State {
    return this.#spoilt[index] === 1 ? MISSING : ((this.#state[index] ?? MISSING) as State);
  }

  /** ms since the epoch. */
  #endOf(index: number): number {
    return this.#from + (index - this.#before + 1) * this.#stepMs;
  }
}

/** In place. A handful is put in order quicker one by one than by a call into the engine. */
function sortFirst(numbers: Float64Array, count: number): void {
  if (count > 40) {
    numbers.subarray(0, count).sort();
    return;
  }
  for (let next = 1; next < count; next += 1) {
    const number = numbers[next] ?? 0;
    let place = next;
    while (place > 0 && (numbers[place - 1] ?? 0) > number) {
      numbers[place] = numbers[place - 1] ?? 0;
      place -= 1;
    }
    numbers[place] = number;
  }
}

/** Is a number further on the bad side than another? */
export function isWorse(direction: 'above' | 'below', value: number, than: number): boolean {
  return direction === 'above' ? value > than : value < than;
}
