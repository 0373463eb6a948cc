/**
 * Reads Fleet's answers. Whatever is not exactly their shape is `invalid-answer`.
 *
 * Shape: GET /api/v1/fleet/hosts?page&per_page&order_key&order_direction -> {hosts: [{id, hostname, computer_name, uuid, primary_ip,
 * osquery_version, seen_time, detail_updated_at, created_at}]}, pages from 0; some versions add meta.has_next_results. Errors are
 * {message, errors: [{name, reason}]} (fleetdm.com/docs/rest-api: hosts, list hosts).
 */
import { isRecord } from '../../domain/is-record.ts';
import type { HeardMachine } from '../../domain/last-heard.ts';
import { ok, type Result } from '../../domain/result.ts';
import type { FleetManagerSettings } from '../../domain/witness.ts';
import type { MetricsError } from '../../ports/metrics.ts';
import { excerpt, notUnderstood, parseJson, show } from '../http/reply.ts';
import type { Page } from '../http/sweep.ts';
import { readTime } from '../http/time.ts';

type Match = FleetManagerSettings['match'];

export function readHosts(text: string, match: Match): Result<Page<HeardMachine>, MetricsError> {
  const body = parseJson(text);
  if (!isRecord(body)) return notUnderstood(`no JSON object but ${excerpt(text)}`);
  const { hosts, meta } = body;
  if (hosts !== null && !Array.isArray(hosts)) return notUnderstood(`hosts is ${show(hosts)}, not a list`);
  const items: HeardMachine[] = [];
  for (const item of (hosts ?? []) as readonly unknown[]) {
    const host = readHost(item, match);
    if (!host.ok) return host;
    items.push(host.value);
  }
  const more = isRecord(meta) ? meta['has_next_results'] : undefined;
  return ok({ items, last: typeof more === 'boolean' ? !more : null });
}

/** Fleet's own words out of a refusal. */
export function readErrorWords(text: string): string | undefined {
  const body = parseJson(text);
  if (!isRecord(body) || typeof body['message'] !== 'string') return undefined;
  const [first] = Array.isArray(body['errors']) ? (body['errors'] as readonly unknown[]) : [];
  const reason = isRecord(first) && typeof first['reason'] === 'string' ? `: ${first['reason']}` : '';
  return `${body['message']}${reason}`.slice(0, 300);
}

function readHost(item: unknown, match: Match): Result<HeardMachine, MetricsError> {
  if (!isRecord(item)) return notUnderstood(`a host is ${show(item)}, not an object`);
  const { id, osquery_version: version, seen_time: seen } = item;
  const name = item[match];
  if (!Number.isSafeInteger(id)) return notUnderstood(`id of a host is ${show(id)}, not a number`);
  if (typeof name !== 'string') return notUnderstood(`${match} of host ${String(id)} is ${show(name)}`);
  const lastSeen = readTime(seen);
  if (lastSeen === undefined) return notUnderstood(`seen_time of host ${String(id)} is ${show(seen)}`);
  return ok({
    id: String(id),
    name,
    lastSeen,
    enrolledAt: readTime(item['created_at']) ?? null,
    version: typeof version === 'string' ? version : '',
    versionAt: readTime(item['detail_updated_at']) ?? null,
  });
}
