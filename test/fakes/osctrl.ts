/** osctrl-api's list of nodes on loopback: in pages as newer ones have it, or as a whole (cmd/api/handlers/nodes.go). */
import { type HttpBackend, startBackend } from './http-backend.ts';

export interface OsctrlNode {
  readonly hostname: string;
  readonly uuid?: string;
  readonly localname?: string;
  /** ms since the epoch; null: never. */
  readonly lastSeen: number | null;
  readonly createdAt?: number;
  readonly version?: string;
}

export interface FakeOsctrl extends HttpBackend {
  nodes: OsctrlNode[];
  /** Before there were pages. */
  old: boolean;
}

const goTime = (at: number | null): string =>
  at === null ? '0001-01-01T00:00:00Z' : new Date(at).toISOString().replace('Z', '123456Z');

function shape(node: OsctrlNode, index: number): object {
  const {
    hostname,
    uuid = `uuid-${hostname}-${index}`,
    localname = hostname,
    lastSeen,
    version = '5.10.2',
  } = node;
  return {
    id: index + 1,
    created_at: goTime(node.createdAt ?? Date.UTC(2025, 0, 1)),
    updated_at: goTime(lastSeen),
    uuid,
    hostname,
    localname,
    ip_address: '10.0.0.1',
    environment: 'prod',
    osquery_version: version,
    config_hash: 'c0ffee',
    last_seen: goTime(lastSeen),
  };
}

export async function startOsctrl(token: string): Promise<FakeOsctrl> {
  const backend = await startBackend(({ url, headers }) => {
    if (headers.authorization !== `Bearer ${token}`) return { status: 403, body: { error: 'no access' } };
    const path = /^\/api\/v1\/nodes\/([^/]+)(\/all)?$/.exec(url.pathname);
    if (path === null || (fake.old && path[2] === undefined))
      return { status: 404, body: '404 page not found\n' };
    if (decodeURIComponent(path[1] ?? '') !== 'prod')
      return { status: 404, body: { error: 'environment not found' } };
    const all = fake.nodes;
    if (path[2] !== undefined)
      return all.length === 0 ? { status: 404, body: { error: 'no nodes' } } : { body: all.map(shape) };
    const size = Math.min(500, Number(url.searchParams.get('page_size') ?? 50));
    const page = Number(url.searchParams.get('page') ?? 1);
    const first = (page - 1) * size;
    const items = all.slice(first, first + size).map((node, index) => shape(node, first + index));
    const pages = Math.max(1, Math.ceil(all.length / size));
    return { body: { items, page, page_size: size, total_items: all.length, total_pages: pages } };
  });
  const fake: FakeOsctrl = Object.assign(backend, { nodes: [], old: false });
  return fake;
}
