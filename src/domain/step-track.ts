/** One host's steps under one gate: what state each is in, and whether an excess has lasted (K1-K3 in judge.ts). Pure. */
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
  /** Worst of them, and the step it was seen at. */
  readonly worst: number | undefined;
  readonly worstStep: number;
  /** Was over the limit at some step of the span. */
  readonly over: boolean;
  /** Was over it long enough (K3). */
  readonly failed: boolean;
  /** State at the newest step. */
  readonly newest: 'missing' | 'healthy' | 'over';
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

  constructor({ steps, before, from, stepMs, gate }: StepGrid) {
    this.#steps = steps;
    // One more than `forMs` has: a run that ends at step 1 began `before` steps earlier.
    this.#before = steps === 0 ? 0 : before + 1;
    this.#from = from;
    this.#stepMs = stepMs;
    this.#direction = gate.direction;
    this.#limit = gate.limit;
    this.#state = new Uint8Array(this.#before + steps);
    this.#value = new Float64Array(this.#before + steps);
    this.#spoilt = new Uint8Array(this.#before + steps);
  }

  /** Sorts samples into steps; their order does not matter, the worst of a step counts. */
  load(samples: readonly Sample[]): void {
    this.#state.fill(MISSING);
    this.#spoilt.fill(0);
    for (const { at, value } of samples) {
      const index = Math.ceil((at - this.#from) / this.#stepMs) - 1 + this.#before;
      if (!(index >= 0 && index < this.#state.length)) continue;
      if (!Number.isFinite(value)) {
        this.#spoilt[index] = 1;
        continue;
      }
      if (this.#state[index] !== MISSING && !isWorse(this.#direction, value, this.#value[index] ?? value))
        continue;
      this.#value[index] = value;
      this.#state[index] = isWorse(this.#direction, value, this.#limit) ? OVER : HEALTHY;
    }
  }

  /** Looks at the loaded host's steps in order, and marks in `bad` those of the span at which it was not healthy. */
  walk(forMs: number, bad: Uint8Array): Seen {
    let samples = 0;
    let worst: number | undefined;
    let worstStep = 0;
    let over = false;
    let failed = false;
    let runStart = -1;
    let state: State = MISSING;
    for (let index = 0; index < this.#state.length; index += 1) {
      state = this.#spoilt[index] === 1 ? MISSING : ((this.#state[index] ?? MISSING) as State);
      if (state === OVER) {
        if (runStart < 0) runStart = index;
      } else runStart = -1;
      const step = index - this.#before;
      if (step < 0) continue;
      if (state !== HEALTHY) bad[step] = 1;
      if (state === MISSING) continue;
      samples += 1;
      const value = this.#value[index] ?? 0;
      if (worst === undefined || isWorse(this.#direction, value, worst)) {
        worst = value;
        worstStep = step + 1;
      }
      if (state === OVER) {
        over = true;
        if ((index - runStart) * this.#stepMs >= forMs) failed = true;
      }
    }
    return { samples, worst, worstStep, over, failed, newest: this.#steps === 0 ? 'healthy' : STATES[state] };
  }
}

/** Is a number further on the bad side than another? */
export function isWorse(direction: 'above' | 'below', value: number, than: number): boolean {
  return direction === 'above' ? value > than : value < than;
}
