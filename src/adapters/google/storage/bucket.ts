/**
 * Objects by Google's storage library, which is loaded by the first call.
 *
 * B1  The library itself asks once (but for the parts of a large upload); asking again is done here, by the clock that was given.
 * B2  Nothing rejects but an iteration over bytes.
 * B3  No token, signed URL or upload URL gets into a message.
 */
import type { GcsPlace } from '../../../domain/cloud.ts';
import { err, ok, type Result } from '../../../domain/result.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { GoogleAccess } from '../access.ts';
import { type Client, connection, pinned } from './client.ts';
import { type Failure, failureOf, headerOf, type Where } from './failure.ts';
import { deadlineFor, type MediaOptions, mediaOf, readWhole } from './media.ts';
import {
  type ObjectBody,
  type ObjectError,
  type ObjectFacts,
  ObjectReadError,
  type Objects,
  type WriteOptions,
} from './objects.ts';
import { persist, within } from './persist.ts';
import { factsOf } from './resource.ts';
import { signUrl } from './sign.ts';
import { collect, uploadAtOnce, uploadInParts } from './upload.ts';

export interface BucketOptions {
  /** `fetchFrom`: base URL at which hosts reach the bucket, for signed URLs. */
  readonly place: GcsPlace & { readonly fetchFrom?: string };
  readonly access: GoogleAccess;
  readonly clock: Clock;
  /** For a call that moves little, all attempts together, ms. Default 30,000. */
  readonly deadlineMs?: number;
  /** Longest silence of the server, ms. Default 15,000. */
  readonly attemptMs?: number;
  /** Objects larger than this are uploaded in parts of this size; a multiple of 256 KiB. Default 8 MiB. */
  readonly partBytes?: number;
}

const DEADLINE_MS = 30_000;
const ATTEMPT_MS = 15_000;
const PART_BYTES = 8 * 1024 * 1024;
const MOST_IN_MEMORY = 64 * 1024 * 1024;
/** A signed URL is good for whoever sees it: never longer than this, ms. */
const LONGEST_URL_MS = 15 * 60_000;
/** What the API gives at most in a page. */
const PAGE = 1000;
/** More than any journal: a server whose pages never end must not hold us for ever. */
const MOST_PAGES = 10_000;

export function googleBucket(options: BucketOptions): Objects {
  const { place, access, clock } = options;
  const { bucket } = place;
  const folder = place.prefix === '' ? '' : `${place.prefix}/`;
  const label = `gs://${bucket}${place.prefix === '' ? '' : `/${place.prefix}`}`;
  const deadlineMs = options.deadlineMs ?? DEADLINE_MS;
  const attemptMs = options.attemptMs ?? ATTEMPT_MS;
  const partBytes = options.partBytes ?? PART_BYTES;
  const google = connection({ place, access, attemptMs });
  let serverNow: number | null = null;

  const onDate = (headers: unknown): void => {
    const date = Date.parse(headerOf(headers, 'date') ?? '');
    if (!Number.isNaN(date)) serverNow = date;
  };
  const whereOf = (verb: string, name?: string): Where => ({
    bucket,
    verb,
    what: name === undefined ? label : `gs://${bucket}/${folder}${name}`,
    ...(place.project === undefined ? {} : { project: place.project }),
    ...(name === undefined || verb === 'write' ? { ofBucket: true } : {}),
  });

  /** One call, repeated; `ask` may throw what the library throws. */
  const call = <T>(
    where: Where,
    ask: (client: Client, limitMs: number) => Promise<T>,
  ): Promise<Result<T, ObjectError>> =>
    persist({ clock, deadlineMs, attemptMs }, async (limitMs): Promise<Result<T, Failure>> => {
      const client = await google.get();
      if (!client.ok) return err({ error: client.error });
      try {
        return ok(await within(limitMs, ask(client.value, limitMs)));
      } catch (cause) {
        onDate((cause as { response?: { headers?: unknown } } | null)?.response?.headers);
        return err(failureOf(cause, where));
      }
    });

  const understood = (resource: unknown): ObjectFacts => {
    const facts = factsOf(resource, folder);
    if (facts === null) throw new Error('an answer that is no object');
    return facts;
  };

  const factsFor = (name: string, generation?: string): Promise<Result<ObjectFacts, ObjectError>> =>
    call(whereOf('look at', name), async ({ bucket: at }) => {
      const full = `${folder}${name}`;
      const file = generation === undefined ? at.file(full) : pinned(at, full, generation);
      const [resource, response] = await file.getMetadata();
      onDate((response as { headers?: unknown }).headers);
      return understood(resource);
    });

  const mediaFor = (facts: ObjectFacts): MediaOptions => ({
    connection: google,
    clock,
    facts,
    folder,
    where: whereOf('read', facts.name),
    deadlineMs: deadlineFor(facts.size, deadlineMs),
    idleMs: attemptMs,
    onDate,
  });

  async function write(
    name: string,
    body: ObjectBody,
    ifGeneration: string,
    given: WriteOptions,
  ): Promise<Result<ObjectFacts, ObjectError>> {
    const where = whereOf('write', name);
    const size = body instanceof Uint8Array ? body.length : given.size;
    const inParts = size !== undefined && size > partBytes;
    const held = inParts ? null : await collect(body, where.what, size ?? MOST_IN_MEMORY);
    if (held !== null && !held.ok) return err(held.error.error);
    if (held !== null && size !== undefined && held.value.length !== size)
      return err({
        kind: 'unavailable',
        retryable: false,
        message: `what is to be written to ${where.what} has ${held.value.length} bytes instead of the ${size} announced`,
      });
    const bytes = size ?? held?.value.length ?? 0;
    const limit = given.timeoutMs ?? deadlineFor(bytes, deadlineMs);
    const patience = { clock, deadlineMs: limit, attemptMs: inParts ? limit : deadlineFor(bytes, attemptMs) };
    return persist(patience, async (limitMs): Promise<Result<ObjectFacts, Failure>> => {
      const client = await google.get();
      if (!client.ok) return err({ error: client.error });
      const upload = {
        client: client.value,
        name: `${folder}${name}`,
        ifGeneration,
        write: given,
        where,
        limitMs,
        onDate,
      };
      const open = body instanceof Uint8Array ? () => one(body) : body;
      const sent =
        held === null
          ? await uploadInParts(open, bytes, partBytes, upload)
          : await uploadAtOnce(held.value, upload);
      if (!sent.ok) return sent;
      const facts = factsOf(sent.value, folder);
      // It may be written all the same: asked again, the server says 412.
      return facts === null ? err(failureOf(new Error('an answer that is no object'), where)) : ok(facts);
    });
  }

  return {
    label,
    create: (name, body, given) => write(name, body, '0', given),
    replace: (name, body, generation, given) => write(name, body, generation, given),

    async read(name, { generation, known } = {}) {
      // Between the two requests it may be replaced: then what is newest is asked for anew.
      for (let attempt = 1; ; attempt++) {
        const facts = known === undefined ? await factsFor(name, generation) : ok(known);
        if (!facts.ok) return facts;
        const { value } = facts;
        if (value.size > MOST_IN_MEMORY)
          return err({
            kind: 'unavailable',
            retryable: false,
            message: `gs://${bucket}/${folder}${name} has ${value.size} bytes, more than ${MOST_IN_MEMORY}`,
          });
        const bytes = await readWhole(mediaFor(value));
        if (bytes.ok) return ok({ facts: value, bytes: bytes.value });
        const replaced = bytes.error.kind === 'not-found' && generation === undefined && known === undefined;
        if (!replaced || attempt >= 5) return bytes;
      }
    },

    async *open(name, generation) {
      const facts = await factsFor(name, generation);
      if (!facts.ok) throw new ObjectReadError(facts.error);
      yield* mediaOf(mediaFor(facts.value));
    },

    facts: (name, { generation } = {}) => factsFor(name, generation),

    async list({ prefix, startAt }) {
      const found: ObjectFacts[] = [];
      let pageToken: string | undefined;
      for (let pages = 0; pages < MOST_PAGES; pages++) {
        const page = await call(whereOf('list'), async (client) => {
          const answer = await pageOf(client, {
            prefix: `${folder}${prefix}`,
            ...(startAt === undefined ? {} : { startOffset: `${folder}${startAt}` }),
            ...(pageToken === undefined ? {} : { pageToken }),
            maxResults: PAGE,
          });
          onDate(answer.headers);
          return { ...answer, facts: answer.items.map(understood) };
        });
        if (!page.ok) return page;
        found.push(...page.value.facts);
        pageToken = page.value.nextPageToken;
        if (pageToken === undefined) return ok(found);
      }
      return err({
        kind: 'unavailable',
        message: `cannot list ${label}: its pages do not end`,
        retryable: false,
      });
    },

    async remove(name, generation) {
      const gone = await call(whereOf('remove', name), async ({ bucket: at }) => {
        const [response] = await at.file(`${folder}${name}`).delete({ ifGenerationMatch: generation });
        onDate((response as { headers?: unknown } | undefined)?.headers);
      });
      return gone;
    },

    async signedUrl(name, generation, lifetimeMs) {
      const client = await google.get();
      if (!client.ok) return err(client.error.message);
      return signUrl({
        client: client.value,
        access,
        bucket,
        name: `${folder}${name}`,
        generation,
        from: clock.now(),
        lifetimeMs: Math.min(lifetimeMs, LONGEST_URL_MS),
        ...(place.fetchFrom === undefined ? {} : { fetchFrom: place.fetchFrom }),
        ...(place.project === undefined ? {} : { project: place.project }),
      });
    },

    serverNow: () => serverNow,
  };
}

interface Page {
  readonly items: readonly unknown[];
  readonly nextPageToken?: string;
  readonly headers: unknown;
}

/** `Bucket.getFiles` would give no headers, and a File with listeners for each object. */
function pageOf({ bucket }: Client, qs: Readonly<Record<string, string | number>>): Promise<Page> {
  return new Promise((resolve, reject) => {
    bucket.request({ uri: '/o', qs: { ...qs } }, (cause, body: unknown, response) => {
      if (cause !== null) return reject(cause);
      const { items, nextPageToken } = (body ?? {}) as { items?: unknown; nextPageToken?: unknown };
      if (typeof body !== 'object' || (items !== undefined && !Array.isArray(items)))
        return reject(new Error('an answer that is no listing'));
      resolve({
        items: items ?? [],
        headers: response?.headers,
        ...(typeof nextPageToken === 'string' && nextPageToken !== '' ? { nextPageToken } : {}),
      });
    });
  });
}

async function* one(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
