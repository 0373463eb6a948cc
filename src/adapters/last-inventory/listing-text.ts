/** A listing as a file's text, and a text as a listing, every field of every host looked at. Pure. */
import { type Host, VM_STATUSES } from '../../domain/host.ts';
import { isRecord } from '../../domain/is-record.ts';
import type { InventoryView } from '../../ports/inventory.ts';

const SCHEMA = 1;

export function listingText({ hosts, at }: InventoryView): string {
  return `${JSON.stringify({ schema: SCHEMA, at, hosts: hosts.map(onlyHost) })}\n`;
}

/** Null: it is not a listing that this program has written whole. */
export function parseListing(text: string): InventoryView | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(value)) return null;
  const { schema, at, hosts } = value;
  if (schema !== SCHEMA || typeof at !== 'number' || !Number.isFinite(at) || !Array.isArray(hosts))
    return null;
  const list = hosts as readonly unknown[];
  if (!list.every(isHost)) return null;
  const ids = new Set(list.map((host) => host.id));
  return ids.size === list.length ? { at, hosts: list, unknownZones: [] } : null;
}

type Fits = (value: unknown) => boolean;

const text: Fits = (value) => typeof value === 'string';
const someText: Fits = (value) => typeof value === 'string' && value !== '';
const whether: Fits = (value) => typeof value === 'boolean';
const number: Fits = (value) => typeof value === 'number' && Number.isFinite(value);
const port: Fits = (value) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 65_535;
const texts: Fits = (value) => Array.isArray(value) && value.every(text);
const map: Fits = (value) => isRecord(value) && Object.values(value).every(text);
const status: Fits = (value) => (VM_STATUSES as readonly unknown[]).includes(value);

const NEEDED = {
  id: someText,
  name: someText,
  address: text,
  zone: text,
  role: text,
  machineType: text,
  os: text,
  status,
  labels: map,
  tags: texts,
  metadata: map,
  spot: whether,
} as const satisfies Partial<Record<keyof Host, Fits>>;

const OPTIONAL: Readonly<Record<Exclude<keyof Host, keyof typeof NEEDED>, Fits>> = {
  port,
  project: text,
  createdAt: number,
  network: text,
  internalAddress: text,
  externalAddress: text,
  licenses: texts,
};

const FIELDS: ReadonlySet<string> = new Set([...Object.keys(NEEDED), ...Object.keys(OPTIONAL)]);

/** Without what an inventory may have put there besides. */
function onlyHost(host: Host): object {
  return Object.fromEntries(Object.entries(host).filter(([key]) => FIELDS.has(key)));
}

function isHost(value: unknown): value is Host {
  if (!isRecord(value)) return false;
  const whole = Object.entries(NEEDED).every(([key, fits]) => fits(value[key]));
  const rest = Object.entries(OPTIONAL).every(([key, fits]) => value[key] === undefined || fits(value[key]));
  return whole && rest && Object.keys(value).every((key) => FIELDS.has(key));
}
