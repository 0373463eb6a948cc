/**
 * Reads osctrl's answers. Whatever is not exactly their shape is `invalid-answer`.
 *
 * Shape: GET /api/v1/nodes/{env}?page&page_size&sort&dir -> {items, page, page_size, total_items, total_pages}, pages from 1 and of at most
 * 500; before that was there, GET /api/v1/nodes/{env}/all -> [node], 404 {"error": "no nodes"} where there is none. A node has uuid,
 * hostname, localname, ip_address, osquery_version, created_at, last_seen (jmpsec/osctrl: cmd/api/handlers/nodes.go, pkg/nodes/models.go).
 */
import { isRecord } from '../../domain/is-record.ts';
import type { HeardMachine } from '../../domain/last-heard.ts';
import { ok, type Result } from '../../domain/result.ts';
import type { OsctrlSettings } from '../../domain/witness.ts';
import type { MetricsError } from '../../ports/metrics.ts';
import { excerpt, notUnderstood, parseJson, show } from '../http/reply.ts';
import type { Page } from '../http/sweep.ts';
import { readTime } from '../http/time.ts';

type Match = OsctrlSettings['match'];

export interface NodesPage extends Page<HeardMachine> {
  readonly total: number;
}

/** `page` is the one that was asked for, from 1. */
export function readPage(text: string, page: number, match: Match): Result<NodesPage, MetricsError> {
  const body = parseJson(text);
  if (!isRecord(body)) return notUnderstood(`no JSON object but ${excerpt(text)}`);
  const { items, page: given, total_pages: pages, total_items: total } = body;
  if (given !== page) return notUnderstood(`page ${page} was asked for, and ${show(given)} came`);
  if (!isCount(pages)) return notUnderstood(`total_pages is ${show(pages)}, not a number`);
  if (!isCount(total)) return notUnderstood(`total_items is ${show(total)}, not a number`);
  const nodes = readNodes(items, match);
  return nodes.ok ? ok({ items: nodes.value, last: page >= pages, total }) : nodes;
}

export function readAll(text: string, match: Match): Result<NodesPage, MetricsError> {
  const body = parseJson(text);
  if (!Array.isArray(body)) return notUnderstood(`no list of nodes but ${excerpt(text)}`);
  const nodes = readNodes(body, match);
  return nodes.ok ? ok({ items: nodes.value, last: true, total: nodes.value.length }) : nodes;
}

/** osctrl's own words out of a refusal. */
export function readErrorWords(text: string): string | undefined {
  const body = parseJson(text);
  return isRecord(body) && typeof body['error'] === 'string' ? body['error'].slice(0, 300) : undefined;
}

function readNodes(items: unknown, match: Match): Result<HeardMachine[], MetricsError> {
  // Go writes a list that was never made as null.
  if (items === null) return ok([]);
  if (!Array.isArray(items)) return notUnderstood(`items is ${show(items)}, not a list`);
  const nodes: HeardMachine[] = [];
  for (const item of items) {
    const node = readNode(item, match);
    if (!node.ok) return node;
    nodes.push(node.value);
  }
  return ok(nodes);
}

function readNode(item: unknown, match: Match): Result<HeardMachine, MetricsError> {
  if (!isRecord(item)) return notUnderstood(`a node is ${show(item)}, not an object`);
  const { id, uuid, osquery_version: version, last_seen: seen, created_at: created } = item;
  const name = item[match];
  if (typeof uuid !== 'string' || uuid === '') return notUnderstood(`uuid of a node is ${show(uuid)}`);
  if (typeof name !== 'string') return notUnderstood(`${match} of node ${uuid} is ${show(name)}`);
  const lastSeen = readTime(seen);
  if (lastSeen === undefined) return notUnderstood(`last_seen of node ${uuid} is ${show(seen)}`);
  return ok({
    // Its uuid is the host's, which may be enrolled twice.
    id: `${typeof id === 'number' ? id : ''} ${uuid}`,
    name,
    lastSeen,
    enrolledAt: readTime(created) ?? null,
    version: typeof version === 'string' ? version : '',
    versionAt: null,
  });
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
