/**
 * Compute Engine's REST API on loopback, in the part that rollout asks: lists of instances, aggregated and of one zone, guest
 * attributes, zones, permissions; with Google's own paths, paging and error bodies. It can show what the real one shows on a bad
 * day: a zone that cannot be listed, a page that fails, quotas, lost and damaged answers, lists that are behind.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Fault, type FaultRule, failWith, googleError } from './compute-faults.ts';
import { keepsVm } from './compute-filter.ts';
import { type FakeVm, instanceText, ZONES } from './compute-fleet.ts';
import { principalOf } from './identity.ts';

export interface ComputeServerOptions {
  readonly vms?: readonly FakeVm[];
  /** Projects that exist. Default: those of the VMs, or `sandbox`. */
  readonly projects?: readonly string[];
  /** Zones that exist, besides those of the VMs. Default three of us-east1. */
  readonly zones?: readonly string[];
}

export interface FakeCompute {
  /** What ROLLOUT_COMPUTE_ENDPOINT takes. */
  readonly url: string;
  /** What exists; may be changed at any time. A VM is changed by putting another in its place. */
  readonly vms: FakeVm[];
  /** What lists tell instead, when they are behind; null: what exists. */
  listed: readonly FakeVm[] | null;
  /** Zones that cannot be listed, `zone` or `project/zone`, and how the answer says so. */
  readonly unreachable: Map<string, 'warning' | 'top-level-warning' | 'unreachables'>;
  /** Permissions that nobody has, such as `compute.instances.list`. */
  readonly denied: Set<string>;
  /** Projects in which the API is not enabled. */
  readonly disabled: Set<string>;
  /** The next requests whose `METHOD path?query` matches fail so; rules are tried in the order they were made. */
  fault(match: RegExp, what: Fault, times?: number): void;
  /** Forgets every fault. */
  calm(): void;
  /** `METHOD path?query`, in order. */
  readonly requests: string[];
  /** Whose rights were used. */
  readonly principals: Set<string>;
  /** Most requests that were open at once. */
  readonly mostAtOnce: number;
  close(): Promise<void>;
}

const MAX_RESULTS = 500;

export async function startComputeServer(options: ComputeServerOptions = {}): Promise<FakeCompute> {
  const vms = [...(options.vms ?? [])];
  const projects = new Set(
    options.projects ?? (vms.length === 0 ? ['sandbox'] : vms.map((vm) => vm.project)),
  );
  const rules: FaultRule[] = [];
  let open = 0;
  let mostAtOnce = 0;
  const server = createServer((request, response) => {
    mostAtOnce = Math.max(mostAtOnce, ++open);
    response.once('close', () => open--);
    void serve(request, response);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const fake: FakeCompute = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    vms,
    listed: null,
    unreachable: new Map(),
    denied: new Set(),
    disabled: new Set(),
    fault: (match, what, times = 1) => void rules.push({ match, what, times }),
    calm: () => void rules.splice(0),
    requests: [],
    principals: new Set(),
    get mostAtOnce() {
      return mostAtOnce;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
  return fake;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const line = `${request.method} ${request.url}`;
    fake.requests.push(line);
    const body = await bodyOf(request);
    const rule = rules.find(({ match, times }) => times > 0 && match.test(line));
    if (rule !== undefined) rule.times--;
    const said = answer(request, body, rule?.what);
    if (rule === undefined || rule.what.kind === 'repeated-token') send(response, said);
    else await failWith(rule.what, response, said);
  }

  function answer(request: IncomingMessage, body: string, fault: Fault | undefined): Said {
    const url = new URL(request.url ?? '/', fake.url);
    const principal = principalOf(request.headers.authorization);
    if (principal !== null) fake.principals.add(principal);
    else return googleError(401, 'required', 'Request is missing required authentication credential.');
    const [, project = '', rest = ''] = /^\/compute\/v1\/projects\/([^/]+)\/(.+)$/.exec(url.pathname) ?? [];
    if (!projects.has(project))
      return googleError(404, 'notFound', `The resource 'projects/${project}' was not found`);
    if (fake.disabled.has(project))
      return googleError(
        403,
        'accessNotConfigured',
        `Compute Engine API has not been used in project ${project} before or it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/compute.googleapis.com/overview?project=${project} then retry.`,
      );
    if (rest === 'aggregated/instances')
      return permitted('compute.instances.list', `projects/${project}`, () =>
        aggregated(project, url, fault),
      );
    if (rest === 'zones')
      return permitted('compute.zones.list', `projects/${project}`, () => ({
        status: 200,
        body: JSON.stringify({
          kind: 'compute#zoneList',
          items: zonesOf(project).map((name) => ({ kind: 'compute#zone', name, status: 'UP' })),
        }),
      }));
    const [, zone = '', instance, verb] = /^zones\/([^/]+)\/instances(?:\/([^/]+)\/(\w+))?$/.exec(rest) ?? [];
    if (zone === '') return googleError(404, 'notFound', `The resource '${url.pathname}' was not found`);
    if (!zonesOf(project).includes(zone))
      return googleError(400, 'invalid', `Invalid value for field 'zone': '${zone}'. Unknown zone.`);
    if (instance === undefined)
      return permitted('compute.instances.list', `projects/${project}`, () =>
        zonal(project, zone, url, fault),
      );
    const path = `projects/${project}/zones/${zone}/instances/${instance}`;
    const vm = vms.find(
      (each) =>
        each.project === project && each.zone === zone && (each.id === instance || each.name === instance),
    );
    if (vm === undefined) return googleError(404, 'notFound', `The resource '${path}' was not found`);
    if (verb === 'getGuestAttributes')
      return permitted('compute.instances.getGuestAttributes', path, () => guestAttributes(vm, url));
    if (verb === 'testIamPermissions') {
      const { permissions = [] } = JSON.parse(body) as { permissions?: string[] };
      const granted = permissions.filter((each) => !fake.denied.has(each));
      return { status: 200, body: JSON.stringify(granted.length === 0 ? {} : { permissions: granted }) };
    }
    return googleError(404, 'notFound', `The resource '${url.pathname}' was not found`);
  }

  function permitted(permission: string, resource: string, then: () => Said): Said {
    return fake.denied.has(permission)
      ? googleError(403, 'forbidden', `Required '${permission}' permission for '${resource}'`)
      : then();
  }

  function zonesOf(project: string): string[] {
    const all = [
      ...(options.zones ?? ZONES),
      ...vms.flatMap((vm) => (vm.project === project ? [vm.zone] : [])),
    ];
    return [...new Set(all)].sort();
  }

  function unreachableHow(project: string, zone: string): string | undefined {
    return fake.unreachable.get(zone) ?? fake.unreachable.get(`${project}/${zone}`);
  }

  /** One page: VMs in the order of zone and name after the token, which names the last one before. */
  function page(project: string, zones: readonly string[], url: URL) {
    const filter = url.searchParams.get('filter') ?? '';
    const size = Math.min(
      Number(url.searchParams.get('maxResults') ?? MAX_RESULTS) || MAX_RESULTS,
      MAX_RESULTS,
    );
    const after = Buffer.from(url.searchParams.get('pageToken') ?? '', 'base64url').toString();
    const all = (fake.listed ?? vms)
      .filter((vm) => vm.project === project && zones.includes(vm.zone))
      .filter((vm) => unreachableHow(project, vm.zone) === undefined && keepsVm(filter, vm))
      .map((vm) => ({ vm, key: `${vm.zone}/${vm.name}/${vm.id}` }))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    const from = after === '' ? 0 : all.findIndex(({ key }) => key > after);
    const some = from < 0 ? [] : all.slice(from, from + size);
    const last = some.at(-1);
    const shown = some.map(({ vm }) => vm);
    const more = from >= 0 && from + size < all.length && last !== undefined;
    return { shown, next: more ? Buffer.from(last.key).toString('base64url') : undefined };
  }

  function aggregated(project: string, url: URL, fault: Fault | undefined): Said {
    if (!isGoodFilter(url)) return badFilter(url);
    const zones = zonesOf(project);
    const { shown, next } = page(project, zones, url);
    const token = fault?.kind === 'repeated-token' ? (url.searchParams.get('pageToken') ?? next) : next;
    const scopes = zones.map((zone) => {
      const here = shown.filter((vm) => vm.zone === zone);
      const warning =
        unreachableHow(project, zone) === 'warning'
          ? UNREACHABLE
          : here.length === 0
            ? {
                code: 'NO_RESULTS_ON_PAGE',
                message: `There are no results for scope 'zones/${zone}' on this page.`,
                data: [{ key: 'scope', value: `zones/${zone}` }],
              }
            : undefined;
      const parts = [
        ...(here.length === 0 ? [] : [`"instances":[${here.map(instanceText).join(',')}]`]),
        ...(warning === undefined ? [] : [`"warning":${JSON.stringify(warning)}`]),
      ];
      return `${JSON.stringify(`zones/${zone}`)}:{${parts.join(',')}}`;
    });
    const ways = [...fake.unreachable].filter(
      ([zone]) => !zone.includes('/') || zone.startsWith(`${project}/`),
    );
    const unreachables = ways.flatMap(([zone, how]) =>
      how === 'unreachables' ? [`projects/${project}/zones/${zone.replace(/^.*\//, '')}`] : [],
    );
    const extra = [
      ...(token === undefined ? [] : [`"nextPageToken":${JSON.stringify(token)}`]),
      ...(unreachables.length === 0 ? [] : [`"unreachables":${JSON.stringify(unreachables)}`]),
      ...(ways.some(([, how]) => how === 'top-level-warning')
        ? [`"warning":${JSON.stringify(UNREACHABLE)}`]
        : []),
    ];
    return {
      status: 200,
      body: `{"kind":"compute#instanceAggregatedList","id":"projects/${project}/aggregated/instances","items":{${scopes.join(',')}}${extra.map((part) => `,${part}`).join('')}}`,
    };
  }

  function zonal(project: string, zone: string, url: URL, fault: Fault | undefined): Said {
    if (!isGoodFilter(url)) return badFilter(url);
    const { shown, next } = page(project, [zone], url);
    const token = fault?.kind === 'repeated-token' ? (url.searchParams.get('pageToken') ?? next) : next;
    const isAway = unreachableHow(project, zone) !== undefined;
    const extra = [
      ...(token === undefined ? [] : [`"nextPageToken":${JSON.stringify(token)}`]),
      ...(isAway ? [`"warning":${JSON.stringify(UNREACHABLE)}`] : []),
    ];
    return {
      status: 200,
      body: `{"kind":"compute#instanceList","id":"projects/${project}/zones/${zone}/instances","items":[${shown.map(instanceText).join(',')}]${extra.map((part) => `,${part}`).join('')}}`,
    };
  }
}

interface Said {
  readonly status: number;
  readonly body: string;
}

const UNREACHABLE = {
  code: 'UNREACHABLE',
  message: 'The zone cannot be reached at the moment; results are partial.',
  data: [],
};

function guestAttributes(vm: FakeVm, url: URL): Said {
  const queryPath = url.searchParams.get('queryPath') ?? '';
  if (queryPath !== 'hostkeys/' || vm.hostKeys === undefined)
    return googleError(
      404,
      'notFound',
      `The resource '${queryPath}' of type 'Guest Attribute' was not found.`,
    );
  const items = Object.entries(vm.hostKeys).map(([key, value]) => ({ namespace: 'hostkeys', key, value }));
  return {
    status: 200,
    body: JSON.stringify({ kind: 'compute#guestAttributes', queryPath, queryValue: { items } }),
  };
}

function isGoodFilter(url: URL): boolean {
  return keepsVm(url.searchParams.get('filter') ?? '', null);
}

function badFilter(url: URL): Said {
  return googleError(
    400,
    'invalid',
    `Invalid value for field 'filter': '${url.searchParams.get('filter')}'. Invalid list filter expression.`,
  );
}

function send(response: ServerResponse, { status, body }: Said): void {
  response
    .writeHead(status, {
      'content-type': 'application/json; charset=UTF-8',
      'content-length': Buffer.byteLength(body),
    })
    .end(body);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}
