/**
 * The journal's entries of one lifecycle action, each with its number.
 *
 * AE1  Numbers of parts are given once in an action, by one count: by them an entry that was sent twice is known.
 */
import type { Host } from '../domain/host.ts';
import type { EntryBody } from '../domain/journal.ts';
import type { ActionPart, NamedHost } from '../domain/lifecycle.ts';
import type { Clock } from '../ports/clock.ts';
import type { HostReport, LifecycleReport, LifecycleRequest } from './lifecycle-types.ts';

/** Most hosts an entry of an intention. */
const HOSTS_AN_ENTRY = 500;

/** Answers are written in groups of this size, so that a kill leaves few unknown. */
export const ANSWERS_AN_ENTRY = 50;

/** Longest reason why a host is not covered, characters: the whole of it stands with its answer. */
const WHY_LIMIT = 200;

export class ActionEntries {
  readonly #clock: Clock;
  readonly #request: LifecycleRequest;
  #parts = 0;

  constructor(clock: Clock, request: LifecycleRequest) {
    this.#clock = clock;
    this.#request = request;
  }

  /** AE1. Also for entries of the action that are not made here, such as a changed role file. */
  part(): ActionPart {
    const part = { actionId: this.#request.actionId, part: this.#parts, happenedAt: this.#clock.now() };
    this.#parts += 1;
    return part;
  }

  /** Of the request's hosts, or of those of them that are meant next. */
  intended(hosts: readonly Host[] = this.#request.hosts): EntryBody[] {
    const { verb, now, polarity, hold, inventoryAt } = this.#request;
    const bodies: EntryBody[] = [];
    for (let from = 0; from < hosts.length; from += HOSTS_AN_ENTRY) {
      bodies.push({
        kind: 'lifecycle-intended',
        ...this.part(),
        verb,
        now,
        emergency: polarity === 'emergency',
        hosts: hosts.slice(from, from + HOSTS_AN_ENTRY).map(named),
        ...(hold === null ? {} : { hold }),
        inventoryAt,
      });
    }
    return bodies;
  }

  answered(reports: readonly HostReport[]): EntryBody {
    const { verb, now } = this.#request;
    const part = this.part();
    const hosts = reports.map(({ host, outcome, tookMs, at = part.happenedAt }) => {
      const agoMs = Math.max(0, part.happenedAt - at);
      return { ...named(host), outcome, tookMs, ...(agoMs === 0 ? {} : { agoMs }) };
    });
    return { kind: 'lifecycle-answered', ...part, verb, now, hosts };
  }

  settled({ stayedDown, startedAgain, unseen }: NonNullable<LifecycleReport['settled']>): EntryBody {
    return { kind: 'lifecycle-settled', ...this.part(), stayedDown, startedAgain, unseen };
  }

  ended(covered: number, notCovered: LifecycleReport['notCovered']): EntryBody {
    return {
      kind: 'lifecycle-ended',
      ...this.part(),
      covered,
      notCovered: notCovered.map(({ host, why }) => ({ ...named(host), why: shortened(why) })),
    };
  }
}

export function named({ id, name }: Host): NamedHost {
  return { id, name };
}

function shortened(why: string): string {
  return why.length <= WHY_LIMIT ? why : `${why.slice(0, WHY_LIMIT - 3)}...`;
}
