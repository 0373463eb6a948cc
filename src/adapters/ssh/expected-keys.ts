/**
 * Finds out which keys a host may show, before it is connected to: those that are published for it, else those of known_hosts.
 *
 * EK1  Published keys count alone: what a file says besides neither adds to them nor takes from them, but for @revoked lines.
 * EK2  A file that holds another key under the host's own id (gcloud's `compute.ID`) contradicts what is published. A file is
 *      somebody's memory and so are keys that were fetched earlier: the source is asked again, and what it says now counts. When
 *      it cannot be asked, only keys that both hold do.
 * EK3  A source that cannot be asked in half of the time to connect leaves known_hosts: as strict, with the other half of the time.
 * EK4  After a refusal the source is asked again, once, for a host whose keys were made anew; without a new answer it stays refused.
 */
import { unreachable } from '../../domain/result.ts';
import type { Clock } from '../../ports/clock.ts';
import type { HostKeySource, HostKeysAnswer, PublishedKey } from '../../ports/host-keys.ts';
import type { RemoteHost } from '../../ports/remote.ts';
import type { Expectation } from './host-key.ts';
import type { KnownHosts, KnownKey } from './known-hosts.ts';

export interface KeyQuestion {
  readonly host: RemoteHost;
  /** The host's names in known_hosts, most trusted first. */
  readonly names: readonly string[];
  readonly known: KnownHosts;
  /** Most that asking may take, ms. */
  readonly withinMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface ExpectedKeys {
  expect(question: KeyQuestion): Promise<Expectation>;
  /** Null when asking again says nothing new. */
  expectAfresh(question: KeyQuestion, before: Expectation): Promise<Expectation | null>;
}

/** What known_hosts files say of the names. */
export function fromKnownHosts(
  known: KnownHosts,
  names: readonly string[],
  unpublished: Extract<Expectation, { kind: 'known-hosts' }>['unpublished'] = null,
): Expectation {
  return { kind: 'known-hosts', held: known.lookUp(names), known, unpublished };
}

type Published = Extract<HostKeysAnswer, { kind: 'published' }>;

/** Null: nobody publishes keys. */
export function createExpectedKeys(source: HostKeySource | null, clock: Clock): ExpectedKeys {
  /** Hosts whose contradiction (EK2) was put to the source already. */
  const settled = new Set<string>();

  const asked = async (
    publisher: HostKeySource,
    { host, withinMs, signal }: KeyQuestion,
    fresh: boolean,
  ): Promise<HostKeysAnswer> => {
    const stop = new AbortController();
    const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
    const late = clock.sleep(withinMs, either).then((): HostKeysAnswer => {
      const message = signal?.aborted ? 'it was called off' : `there was no answer within ${withinMs} ms`;
      return { kind: 'unavailable', message };
    });
    const options = { fresh, ...(signal === undefined ? {} : { signal }) };
    const answer = await Promise.race([publisher.keysOf(host, options), late]);
    stop.abort();
    return answer;
  };

  const agreed = async (publisher: HostKeySource, question: KeyQuestion): Promise<HostKeysAnswer> => {
    const answer = await asked(publisher, question, false);
    const { host, known, names } = question;
    if (answer.kind !== 'published' || settled.has(host.id)) return answer;
    const own = known.lookUp(names.slice(0, 1)).keys;
    if (!contradicts(own, answer.keys)) return answer;
    const again = await asked(publisher, question, true);
    if (again.kind === 'unavailable') return whatBothHold(answer, own, again.message);
    settled.add(host.id);
    return again;
  };

  return {
    async expect(question) {
      const { known, names } = question;
      if (source === null) return fromKnownHosts(known, names);
      return expectationOf(await agreed(source, question), question);
    },
    async expectAfresh(question, before) {
      if (source === null) return null;
      // Who could not be asked just now is not asked again at once.
      if (before.kind === 'known-hosts' && before.unpublished?.kind !== 'none') return null;
      const answer = await asked(source, question, true);
      if (answer.kind === 'unavailable') return null;
      if (before.kind === 'known-hosts' && answer.kind === 'none') return null;
      if (before.kind === 'published' && answer.kind === 'published' && same(before.keys, answer.keys))
        return null;
      return expectationOf(answer, question);
    },
  };
}

function expectationOf(
  answer: HostKeysAnswer & { note?: string },
  { known, names }: KeyQuestion,
): Expectation {
  switch (answer.kind) {
    case 'published': {
      const { keys, source, note = '' } = answer;
      return { kind: 'published', keys, source, revoked: known.lookUp(names).revoked, note };
    }
    case 'none':
      return fromKnownHosts(known, names, {
        kind: 'none',
        said: `none is published for it: ${answer.mend}`,
      });
    case 'unavailable':
      return fromKnownHosts(known, names, {
        kind: 'unavailable',
        said: `published ones could not be fetched: ${answer.message}`,
      });
    default:
      return unreachable(answer);
  }
}

/** A type of key of which both hold one, and none is the same. Types that only one holds say nothing. */
function contradicts(held: readonly KnownKey[], keys: readonly PublishedKey[]): boolean {
  return keys.some(({ type }) => {
    const mine = held.filter((key) => key.type === type);
    return mine.length > 0 && !keys.some((key) => mine.some((one) => one.blob.equals(key.blob)));
  });
}

function whatBothHold(
  answer: Published,
  held: readonly KnownKey[],
  why: string,
): Published & { note: string } {
  const [first] = held;
  return {
    ...answer,
    keys: answer.keys.filter((key) => held.some((one) => one.blob.equals(key.blob))),
    note: `${first === undefined ? 'known_hosts' : `${first.file}:${first.line}`} holds another key, and who is right could not be asked: ${why}.`,
  };
}

function same(before: readonly PublishedKey[], after: readonly PublishedKey[]): boolean {
  return (
    before.length === after.length &&
    before.every((key) => after.some((one) => Buffer.from(one.blob).equals(key.blob)))
  );
}
