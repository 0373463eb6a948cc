/** Other witnesses, resolved from an environment's file: who else is asked whether the agent is well. Secrets are named here, never held. */
import type { HttpAuth } from './connection.ts';
import { plainText } from './host-answer.ts';

/** A server that is asked over HTTP. */
export interface HttpWitness {
  /** Base URL, or a webhook's whole address; without credentials and query. */
  readonly url: string;
  readonly auth: HttpAuth;
  /** PEM file of an authority to trust besides the system's, absolute. */
  readonly caFile?: string;
  /** Longest wait, ms: of Loki for one query, of the others for the whole answer. */
  readonly timeoutMs: number;
}

/** How the witness names a host: `{name}`, `{id}`, `{address}`, `{zone}`, `{role}` are filled in. Compared literally. */
export interface NamedHosts {
  readonly hostValue: string;
}

/** A metric query in LogQL. A host without a series has 0, but only at a time at which the answer proves that logs arrive at all. */
export interface LokiSettings extends HttpWitness, NamedHosts {
  readonly kind: 'loki';
  /** The X-Scope-OrgID header; absent: none. */
  readonly tenant?: string;
  /** One series a host. `$hosts`, `$label`, `$window`, `$environment` are filled in. */
  readonly query: string;
  /** Above 0 while logs arrive from anywhere; absent: only the series of `query` prove it. */
  readonly alive?: string;
  readonly hostLabel: string;
  readonly windowMs: number;
}

/** `last-seen`: seconds since the host was heard. `version`: 1 where the host reports the version that it should, else 0. */
export type HeardMeasure = 'last-seen' | 'version';

export const OSCTRL_MATCHES = ['hostname', 'localname', 'ip_address', 'uuid'] as const;

export interface OsctrlSettings extends HttpWitness, NamedHosts {
  readonly kind: 'osctrl';
  /** osctrl's own environment, name or UUID. */
  readonly environment: string;
  /** Field of a node that is compared with `hostValue`. */
  readonly match: (typeof OSCTRL_MATCHES)[number];
  readonly measure: HeardMeasure;
}

export const FLEET_MATCHES = ['hostname', 'computer_name', 'primary_ip', 'uuid'] as const;

export interface FleetManagerSettings extends HttpWitness, NamedHosts {
  readonly kind: 'fleet';
  /** Only the hosts of this team; absent: all that the token may see. */
  readonly team?: number;
  readonly match: (typeof FLEET_MATCHES)[number];
  readonly measure: HeardMeasure;
}

/** A program: exit status 0 pass, 1 fail, 2 inconclusive, anything else an error. The question comes as JSON on its stdin. */
export interface CommandWitnessSettings {
  readonly kind: 'command';
  /** Word by word, never through a shell. `{environment}` and `{version}` are filled in, not into the first. */
  readonly run: readonly [string, ...string[]];
  /** Where it is run, absolute. */
  readonly folder: string;
  /** Variables that it is given besides PATH, HOME and LANG. */
  readonly env: readonly string[];
  readonly timeoutMs: number;
}

export interface WebhookSettings extends HttpWitness {
  readonly kind: 'webhook';
}

export type WitnessSettings =
  | LokiSettings
  | OsctrlSettings
  | FleetManagerSettings
  | CommandWitnessSettings
  | WebhookSettings;

const TELLERS: readonly unknown[] = ['command', 'webhook'] satisfies WitnessSettings['kind'][];

/** Does a witness of this `kind` say pass or fail itself, rather than give numbers that a limit judges? */
export function isTeller(kind: unknown): boolean {
  return TELLERS.includes(kind);
}

interface Question {
  readonly environment: string;
  readonly version: string;
  readonly from: number;
  readonly to: number;
  readonly hosts: readonly { readonly id: string; readonly name: string; readonly changedAt: number }[];
}

/** The question as a command or a webhook gets it; times in ms since the epoch. */
export function questionJson({ environment, version, from, to, hosts }: Question): string {
  return JSON.stringify({
    v: 1,
    environment,
    version,
    from,
    to,
    hosts: hosts.map(({ id, name, changedAt }) => ({ name, id, changed: changedAt > 0 })),
  });
}

/** Longest reason of somebody else's that goes into a verdict, characters. */
const MOST_WORDS = 300;

/** Somebody else's reason on one line, harmless to a terminal; `otherwise` where there is none. */
export function reasonFrom(text: string, otherwise: string): string {
  const line = plainText(text.slice(0, 4 * MOST_WORDS))
    .replaceAll(/\s+/g, ' ')
    .trim();
  if (line === '') return otherwise;
  return line.length <= MOST_WORDS ? line : `${line.slice(0, MOST_WORDS - 3)}...`;
}
