/**
 * What a host of the fleet in memory will do by itself, or has done: as src/host/lib-arm.sh, its timer and confirm.sh have it.
 *
 * AH1  The state outlives reboots and whoever armed it. It has one end: confirmed, gone back, reverted by an order, or overtaken.
 * AH2  Whoever confirms and whoever goes back look at the state under the host's lock; a revert that has begun is waited for.
 */
import type { HostOrder } from '../../src/domain/host-order.ts';
import type { Clock } from '../../src/ports/clock.ts';

export type ChangeOrder = Extract<HostOrder, { program: 'upgrade' | 'revert' }>;

export type ArmedState =
  | { readonly kind: 'armed'; readonly order: ChangeOrder; readonly until: number; readonly lengthMs: number }
  | { readonly kind: 'reverting'; readonly order: ChangeOrder; readonly failures: number }
  | { readonly kind: 'confirmed' | 'reverted' | 'overtaken'; readonly order: ChangeOrder }
  | {
      readonly kind: 'went-back';
      readonly order: ChangeOrder;
      readonly packageVersion: string;
      readonly sha256: string;
      readonly service: 'running' | 'left-stopped';
      readonly at: number;
      readonly note: string;
    };

/** How long a timer that finds the lock held, or whose attempt failed, waits before it looks again, ms. */
const AGAIN_MS = 1_000;
const RETRY_MS = 60_000;

/** How long `confirm` waits for a revert that is at work, ms. */
export const PATIENCE_MS = 90_000;

/** What the timer needs of its host. */
export interface TimerHost {
  readonly locked: boolean;
  /** One attempt under the lock; false: it failed, or a reboot ended it. */
  goBack(order: ChangeOrder): Promise<boolean>;
}

export class ArmedRevert {
  state: ArmedState | null = null;
  readonly #clock: Clock;
  readonly #host: TimerHost;
  #isWatching = false;

  constructor(clock: Clock, host: TimerHost) {
    this.#clock = clock;
    this.#host = host;
  }

  /** Replaces whatever was armed before. */
  arm(order: ChangeOrder): void {
    const lengthMs = (order.arm?.revertAfterS ?? 0) * 1_000;
    this.state = { kind: 'armed', order, until: this.#clock.now() + lengthMs, lengthMs };
    if (!this.#isWatching) void this.#watch();
  }

  renew(lengthMs: number): void {
    if (this.state?.kind === 'armed')
      this.state = { ...this.state, until: this.#clock.now() + lengthMs, lengthMs };
  }

  end(kind: 'confirmed' | 'reverted' | 'overtaken'): void {
    if (this.isPending && this.state !== null) this.state = { kind, order: this.state.order };
  }

  /** Something will happen by itself. */
  get isPending(): boolean {
    return this.state?.kind === 'armed' || this.state?.kind === 'reverting';
  }

  isReverting(orderId: string): boolean {
    return this.state?.kind === 'reverting' && this.state.order.orderId === orderId;
  }

  /** The step that programs tell it in, or null: nothing was ever armed. */
  step(): { readonly name: string; readonly fields: Record<string, unknown> } | null {
    const { state } = this;
    if (state === null) return null;
    const order = state.order.orderId;
    switch (state.kind) {
      case 'armed': {
        const msLeft = Math.max(0, state.until - this.#clock.now());
        const { environment } = state.order;
        const fields = { order, environment, state: 'armed', msLeft, lengthS: state.lengthMs / 1_000 };
        return { name: 'armed', fields };
      }
      case 'went-back': {
        const { packageVersion, sha256, service, at, note } = state;
        return { name: 'went-back', fields: { order, packageVersion, sha256, service, at, note } };
      }
      default:
        return { name: 'armed', fields: { order, state: state.kind } };
    }
  }

  async #watch(): Promise<void> {
    this.#isWatching = true;
    for (;;) {
      const { state } = this;
      if (state?.kind !== 'armed' && state?.kind !== 'reverting') break;
      const leftMs = state.kind === 'armed' ? state.until - this.#clock.now() : 0;
      if (leftMs > 0) await this.#clock.sleep(leftMs);
      else if (this.#host.locked) await this.#clock.sleep(AGAIN_MS);
      else {
        const failures = state.kind === 'reverting' ? state.failures : 0;
        this.state = { kind: 'reverting', order: state.order, failures };
        if (await this.#host.goBack(state.order)) break;
        if (this.isReverting(state.order.orderId))
          this.state = { kind: 'reverting', order: state.order, failures: failures + 1 };
        await this.#clock.sleep(RETRY_MS);
      }
    }
    this.#isWatching = false;
    // Armed anew at the very moment.
    if (this.isPending) void this.#watch();
  }
}
