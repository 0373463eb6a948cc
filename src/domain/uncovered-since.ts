/**
 * Since when each VM has been without a running agent, as far as the journal's record of the fleet tells. Pure.
 *
 * US1  A gap in what is known neither begins nor ends it: only a look, a proof, or a change of whether the VM must have the
 *      agent does.
 */
import { NOT_LOOKED } from './fleet-changes.ts';
import type { SeenHost } from './fleet-record.ts';
import type { HostId } from './host.ts';
import type { Entry } from './journal.ts';
import { ListingParts } from './listing-parts.ts';

/** Ms since the epoch by host; who is not in it was covered, or need not be, or is not in the record. */
export function uncoveredSince(entries: readonly Pick<Entry, 'at' | 'body'>[]): Map<HostId, number> {
  const since = new Map<HostId, number>();
  const must = new Set<HostId>();
  const parts = new ListingParts();
  /** When it was told last whether an agent runs there: an action's entry may come late. */
  const toldAt = new Map<HostId, number>();
  const mark = (id: HostId, isCovered: boolean, at: number): void => {
    toldAt.set(id, at);
    if (isCovered) since.delete(id);
    else if (!since.has(id)) since.set(id, at);
  };
  for (const { at, body } of entries) {
    if (body.kind === 'hosts-answered') {
      for (const { id, outcome } of body.hosts) {
        const isProof = outcome.kind === 'verified' || outcome.kind === 'reverted';
        if (isProof && must.has(id)) mark(id, outcome.service === 'running', at);
      }
    }
    if (body.kind === 'lifecycle-answered') {
      for (const { id, outcome } of body.hosts)
        if (outcome.kind === 'proven' && must.has(id) && !((toldAt.get(id) ?? 0) > body.happenedAt))
          mark(id, outcome.service === 'running', Math.min(at, body.happenedAt));
    }
    if (body.kind !== 'fleet-seen') continue;
    const listing = parts.take(body) ?? [];
    for (const id of listing.flatMap(({ gone }) => gone)) {
      since.delete(id);
      must.delete(id);
    }
    for (const host of listing.flatMap(({ seen }) => seen)) {
      const covered = isCovered(host);
      if (covered === 'need-not') {
        since.delete(host.id);
        must.delete(host.id);
      } else {
        // US1: nobody looked, so that only a VM which is new here begins to be without.
        if (covered !== 'unknown' || !must.has(host.id)) mark(host.id, covered === true, at);
        must.add(host.id);
      }
    }
  }
  return since;
}

function isCovered({ eligibility, agent }: SeenHost): boolean | 'unknown' | 'need-not' {
  if (eligibility.kind === 'undecided') return false;
  if (eligibility.kind !== 'eligible') return 'need-not';
  if (agent.kind === 'unseen') return agent.why === NOT_LOOKED ? 'unknown' : false;
  return agent.kind === 'installed' && agent.runningSha256 !== '';
}
