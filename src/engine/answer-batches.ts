/** Gathers what hosts answered into entries: by number, and by time where the rest is slow. */
import type { Clock } from '../ports/clock.ts';
import { ANSWERS_AN_ENTRY } from './action-entries.ts';
import type { HostReport } from './lifecycle-types.ts';

/** What was answered is not kept back for longer than this, ms. */
const AT_LEAST_EVERY_MS = 5_000;

export class AnswerBatches {
  readonly #write: (reports: readonly HostReport[]) => void;
  readonly #ended = new AbortController();
  #open: HostReport[] = [];

  /** `write` is told of one group after the other; `end` must be called. */
  constructor(clock: Clock, write: (reports: readonly HostReport[]) => void) {
    this.#write = write;
    void this.#often(clock);
  }

  add(report: HostReport): void {
    this.#open.push(report);
    if (this.#open.length >= ANSWERS_AN_ENTRY) this.#flush();
  }

  /** Writes what is left. */
  end(): void {
    this.#ended.abort();
    this.#flush();
  }

  async #often(clock: Clock): Promise<void> {
    while (!this.#ended.signal.aborted) {
      await clock.sleep(AT_LEAST_EVERY_MS, this.#ended.signal);
      if (!this.#ended.signal.aborted) this.#flush();
    }
  }

  #flush(): void {
    if (this.#open.length === 0) return;
    const reports = this.#open;
    this.#open = [];
    this.#write(reports);
  }
}
