/** Fleet's list of hosts on loopback (fleetdm.com/docs/rest-api: list hosts). */
import { type HttpBackend, startBackend } from './http-backend.ts';

export interface FleetHost {
  readonly hostname: string;
  readonly id?: number;
  readonly team?: number;
  /** ms since the epoch. */
  readonly seen: number;
  readonly detailAt?: number;
  readonly createdAt?: number;
  readonly version?: string;
}

export interface FakeFleetManager extends HttpBackend {
  hosts: FleetHost[];
  /** Fewest that it gives at once, whatever is asked for. */
  most: number;
  /** Newer ones say whether there is more. */
  meta: boolean;
}

const goTime = (at: number): string => new Date(at).toISOString().replace(/\.\d+Z$/, 'Z');

export async function startFleetManager(token: string): Promise<FakeFleetManager> {
  const backend = await startBackend(({ url, headers }) => {
    if (headers.authorization !== `Bearer ${token}`)
      return {
        status: 401,
        body: {
          message: 'Authentication required',
          errors: [{ name: 'base', reason: 'Authentication required' }],
        },
      };
    if (url.pathname !== '/api/v1/fleet/hosts') return { status: 404, body: '404 page not found\n' };
    const team = url.searchParams.get('team_id');
    const all = fake.hosts
      .map((one, index) => ({ ...one, id: one.id ?? index + 1 }))
      .filter((one) => team === null || String(one.team) === team)
      .sort((a, b) => a.id - b.id);
    const size = Math.min(fake.most, Number(url.searchParams.get('per_page') ?? fake.most));
    const page = Number(url.searchParams.get('page') ?? 0);
    const hosts = all.slice(page * size, (page + 1) * size).map((one) => ({
      id: one.id,
      created_at: goTime(one.createdAt ?? Date.UTC(2025, 0, 1)),
      detail_updated_at: goTime(one.detailAt ?? one.seen),
      seen_time: goTime(one.seen),
      hostname: one.hostname,
      computer_name: one.hostname,
      uuid: `uuid-${one.id}`,
      primary_ip: '10.0.0.1',
      osquery_version: one.version ?? '5.10.2',
      status: 'online',
    }));
    const more = { has_next_results: (page + 1) * size < all.length, has_previous_results: page > 0 };
    return { body: fake.meta ? { hosts, meta: more } : { hosts } };
  });
  const fake: FakeFleetManager = Object.assign(backend, { hosts: [], most: 10_000, meta: false });
  return fake;
}
