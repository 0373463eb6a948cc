/** What can go wrong between a client and Cloud Storage, on demand. */

export type Operation =
  | 'insert'
  | 'resumable-start'
  | 'resumable-chunk'
  | 'resumable-status'
  | 'resumable-cancel'
  | 'get'
  | 'media'
  | 'signed-get'
  | 'list'
  | 'delete'
  | 'patch'
  | 'bucket-get'
  | 'bucket-insert'
  | 'test-permissions';

export type FaultKind =
  /** Answers with this status instead of doing anything. `retryAfterS` goes into Retry-After. */
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly reason?: string;
      readonly message?: string;
      readonly retryAfterS?: number;
    }
  /** Destroys the socket instead of doing anything. */
  | { readonly kind: 'reset' }
  /** Does the work, then destroys the socket before the answer. */
  | { readonly kind: 'lost-reply' }
  /** Does the work, sends half of the answer's body, then destroys the socket. */
  | { readonly kind: 'truncated-body' }
  /** Half of the answer's body, then nothing; the socket stays open. */
  | { readonly kind: 'stalled-body' }
  /** Takes the question, does nothing and says nothing. */
  | { readonly kind: 'silent' }
  /** Waits before the work. */
  | { readonly kind: 'slow'; readonly ms: number }
  /** One bit of the answer's body flips; its headers stay as they were. */
  | { readonly kind: 'flipped-bit' };

export interface FaultMatch {
  /** Absent: any. */
  readonly on?: Operation | readonly Operation[];
  /** Part of the object's name. */
  readonly name?: string;
  /** How many matching requests pass before it shows. Default 0. */
  readonly after?: number;
  /** How many requests show it. Default 1. */
  readonly times?: number;
}

export type StorageFault = FaultMatch & FaultKind;

export class Faults {
  readonly #waiting: { fault: StorageFault; after: number; times: number }[] = [];

  add(fault: StorageFault): void {
    this.#waiting.push({ fault, after: fault.after ?? 0, times: fault.times ?? 1 });
  }

  clear(): void {
    this.#waiting.length = 0;
  }

  /** What this request is to suffer; counts it. */
  take(operation: Operation, name: string): StorageFault | undefined {
    for (const each of this.#waiting) {
      const { on, name: part } = each.fault;
      const operations = on === undefined ? [operation] : typeof on === 'string' ? [on] : on;
      if (each.times <= 0 || !operations.includes(operation) || (part !== undefined && !name.includes(part)))
        continue;
      if (each.after > 0) {
        each.after -= 1;
        continue;
      }
      each.times -= 1;
      return each.fault;
    }
    return undefined;
  }
}
