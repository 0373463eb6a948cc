/** What every answer of the fake of Cloud Storage is made of. */
import { randomUUID } from 'node:crypto';
import type { BucketSettings, Conditions, FakeBucket, Refusal } from './storage-state.ts';
import type { ResumableSession } from './storage-upload.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Content-Length, where it is not the body's own. */
  readonly length?: number;
}

export interface World {
  readonly buckets: ReadonlyMap<string, FakeBucket>;
  readonly addBucket: (settings: BucketSettings) => FakeBucket;
  readonly sessions: Map<string, ResumableSession>;
  readonly denied: Map<string, ReadonlySet<string>>;
  readonly now: () => number;
  readonly publicKeys: Readonly<Record<string, string>>;
  url: string;
}

export const UNMET = 'At least one of the pre-conditions you specified did not hold.';

export function conditionsOf(query: URLSearchParams): Conditions {
  const names = [
    'ifGenerationMatch',
    'ifGenerationNotMatch',
    'ifMetagenerationMatch',
    'ifMetagenerationNotMatch',
  ] as const;
  return Object.fromEntries(names.flatMap((name) => (query.has(name) ? [[name, query.get(name)]] : [])));
}

export function json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  return {
    status,
    headers: {
      'content-type': 'application/json; charset=UTF-8',
      'x-guploader-uploadid': randomUUID(),
      ...headers,
    },
    body: Buffer.from(JSON.stringify(value)),
  };
}

export function refused(status: number, reason: string, message: string): Answer {
  return json(status, { error: { code: status, message, errors: [{ message, domain: 'global', reason }] } });
}

export function refusal({ status, reason, message }: Refusal): Answer {
  return refused(status, reason, message);
}
