/**
 * What a fake of Cloud Storage holds: buckets, and objects in all their generations.
 *
 * S1  Generations only rise, over all objects, and exceed 2^53, as real ones do.
 * S2  Without versioning an overwritten or deleted generation is gone; with it, it stays readable by its number.
 */
import { crc32cOf, md5Of } from './storage-checksums.ts';

export interface BucketSettings {
  readonly name: string;
  /** Default `sandbox`. */
  readonly project?: string;
  readonly versioning?: boolean;
  /** An object younger than this, seconds, can be neither overwritten nor deleted. */
  readonly retentionS?: number;
  /** Uniform bucket-level access. Default true. */
  readonly uniformAccess?: boolean;
  /** Who asks must name the project that pays. */
  readonly requesterPays?: boolean;
}

export interface StoredObject {
  readonly name: string;
  readonly generation: string;
  readonly metageneration: number;
  readonly bytes: Uint8Array;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** ms since the epoch. */
  readonly timeCreated: number;
  readonly updated: number;
  /** When it was overwritten or deleted; absent on the live one. */
  readonly timeDeleted?: number;
  readonly md5Hash: string;
  readonly crc32c: string;
}

export interface Conditions {
  readonly ifGenerationMatch?: string;
  readonly ifGenerationNotMatch?: string;
  readonly ifMetagenerationMatch?: string;
  readonly ifMetagenerationNotMatch?: string;
}

export interface Refusal {
  readonly status: number;
  readonly reason: string;
  readonly message: string;
}

export interface NewObject {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Real ones are microseconds since the epoch; these begin beyond what a JavaScript number holds exactly. */
let lastGeneration = 9_007_199_254_740_993n;

export class FakeBucket {
  readonly settings: Required<BucketSettings>;
  readonly timeCreated: number;
  readonly #now: () => number;
  readonly #live = new Map<string, StoredObject>();
  readonly #old: StoredObject[] = [];
  #sorted: readonly StoredObject[] | null = null;
  #frozen: readonly StoredObject[] | null = null;

  constructor(settings: BucketSettings, now: () => number) {
    this.settings = {
      project: 'sandbox',
      versioning: false,
      retentionS: 0,
      uniformAccess: true,
      requesterPays: false,
      ...settings,
    };
    this.#now = now;
    this.timeCreated = now();
  }

  /** The live ones, in the order of their names' UTF-8. */
  get objects(): readonly StoredObject[] {
    this.#sorted ??= [...this.#live.values()].sort((a, b) => compareUtf8(a.name, b.name));
    return this.#sorted;
  }

  /** Live ones and old generations, by name, older first. */
  get versions(): readonly StoredObject[] {
    return [...this.#old, ...this.#live.values()].sort(
      (a, b) => compareUtf8(a.name, b.name) || (BigInt(a.generation) < BigInt(b.generation) ? -1 : 1),
    );
  }

  /** As listings show it until `thaw`: as it is now. */
  freezeListing(): void {
    this.#frozen = this.objects;
  }

  thaw(): void {
    this.#frozen = null;
  }

  get frozenListing(): readonly StoredObject[] | null {
    return this.#frozen;
  }

  find(name: string, generation?: string): StoredObject | undefined {
    const live = this.#live.get(name);
    if (generation === undefined || live?.generation === generation) return live;
    return this.#old.find((each) => each.name === name && each.generation === generation);
  }

  put(object: NewObject): StoredObject | Refusal {
    const before = this.#live.get(object.name);
    const kept = before && this.#retained(before);
    if (kept) return kept;
    const now = this.#now();
    lastGeneration += BigInt(1 + (now % 7));
    const stored: StoredObject = {
      ...object,
      generation: String(lastGeneration),
      metageneration: 1,
      timeCreated: now,
      updated: now,
      md5Hash: md5Of(object.bytes),
      crc32c: crc32cOf(object.bytes),
    };
    if (before && this.settings.versioning) this.#old.push({ ...before, timeDeleted: now });
    this.#set(object.name, stored);
    return stored;
  }

  patch(
    name: string,
    change: Partial<Pick<StoredObject, 'metadata' | 'contentType'>>,
  ): StoredObject | undefined {
    const before = this.#live.get(name);
    if (!before) return undefined;
    const metadata = { ...before.metadata, ...change.metadata };
    const after = {
      ...before,
      ...change,
      metadata,
      metageneration: before.metageneration + 1,
      updated: this.#now(),
    };
    this.#set(name, after);
    return after;
  }

  remove(name: string, generation?: string): true | Refusal | undefined {
    const found = this.find(name, generation);
    if (!found) return undefined;
    const kept = this.#retained(found);
    if (kept) return kept;
    if (this.#live.get(name) === found) {
      this.#live.delete(name);
      this.#sorted = null;
      if (this.settings.versioning && generation === undefined)
        this.#old.push({ ...found, timeDeleted: this.#now() });
    } else this.#old.splice(this.#old.indexOf(found), 1);
    return true;
  }

  /** Changes the bytes under the same generation, which Google never does: `lie` leaves the checksums as they were. */
  alter(name: string, bytes: Uint8Array, { lie = false } = {}): void {
    const before = this.#live.get(name);
    if (!before) throw new Error(`${this.settings.name} has no ${name}`);
    const sums = lie ? {} : { md5Hash: md5Of(bytes), crc32c: crc32cOf(bytes) };
    this.#set(name, { ...before, bytes, ...sums });
  }

  /** Takes it away whatever the rules say. */
  lose(name: string): void {
    this.#live.delete(name);
    this.#sorted = null;
  }

  #set(name: string, object: StoredObject): void {
    this.#live.set(name, object);
    this.#sorted = null;
  }

  #retained(object: StoredObject): Refusal | undefined {
    // Also for a clock that a test has put back.
    if (this.settings.retentionS === 0) return undefined;
    const until = object.timeCreated + this.settings.retentionS * 1000;
    if (this.#now() >= until) return undefined;
    return {
      status: 403,
      reason: 'retentionPolicyNotMet',
      message:
        `Object '${this.settings.name}/${object.name}' is subject to bucket's retention policy or object retention ` +
        `and cannot be deleted or overwritten until ${new Date(until).toISOString()}`,
    };
  }
}

/** 412 for a condition on what is to match, 304 for one on what is not to; undefined when all hold. */
export function unmet(conditions: Conditions, live: StoredObject | undefined): 412 | 304 | undefined {
  const generation = live?.generation ?? '0';
  const meta = String(live?.metageneration ?? 0);
  const { ifGenerationMatch, ifMetagenerationMatch, ifGenerationNotMatch, ifMetagenerationNotMatch } =
    conditions;
  if (ifGenerationMatch !== undefined && ifGenerationMatch !== generation) return 412;
  if (ifMetagenerationMatch !== undefined && ifMetagenerationMatch !== meta) return 412;
  if (ifGenerationNotMatch !== undefined && ifGenerationNotMatch === generation) return 304;
  return ifMetagenerationNotMatch !== undefined && ifMetagenerationNotMatch === meta ? 304 : undefined;
}

export function compareUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
