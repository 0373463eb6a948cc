/**
 * By what a VM is known to be managed by a service of the cloud, or to have no dpkg. Pure.
 *
 * MM1  A strong signal is one that only the service itself sets; one is enough. MM2  A weak one is also set by hand, or is only a
 * name: it proves nothing. MM3  `goog-gke-volume` is a disk's label and no signal at all.
 *
 * Sources: the labels, metadata and names that Google's services give their VMs. Groups and nodes of Autopilot clusters begin
 * with `gk3-` where others have `gke-`; connectors of Serverless VPC Access are named `aet-` and carry the network tags
 * `vpc-connector` and `vpc-connector-REGION-NAME`.
 */
import type { Host } from './host.ts';

/** One of these is enough. */
export interface StrongSignal {
  /** Such as `built-in:gke-node`. */
  readonly rule: string;
  readonly reason: string;
  /** What matched, as an auditor can look it up. */
  readonly evidence: string;
}

const GKE = { rule: 'built-in:gke-node', reason: 'GKE node: Kubernetes nodes need no agent of their own' };
const AUTOPILOT = {
  rule: 'built-in:gke-autopilot',
  reason: 'GKE Autopilot node: Google manages it, and nobody can log in',
};
const DATAPROC = { rule: 'built-in:dataproc', reason: 'Dataproc manages this VM' };
const DATAFLOW = { rule: 'built-in:dataflow', reason: 'Dataflow manages this VM' };
const SERVERLESS = { rule: 'built-in:serverless', reason: 'Serverless VPC Access manages this VM' };

const GKE_LABELS = [
  'goog-gke-node',
  'goog-k8s-cluster-name',
  'goog-k8s-node-pool-name',
  'goog-k8s-cluster-location',
  'goog-gke-cluster-id-base32',
];
const GKE_METADATA = ['kube-env', 'kube-labels'];
const GKE_GROUP = /zones\/[^/]+\/instanceGroupManagers\/(gke|gk3)-.*-grp/;
const CONNECTOR = 'vpc-connector';

/** MM1. Null: none. */
export function strongSignal(host: Host): StrongSignal | null {
  return gkeNode(host) ?? managedService(host);
}

function gkeNode(host: Host): StrongSignal | null {
  const group = valueOf(host.metadata, 'created-by');
  const isGroup = GKE_GROUP.test(group);
  const label = GKE_LABELS.find((key) => Object.hasOwn(host.labels, key));
  const metadata = GKE_METADATA.find((key) => Object.hasOwn(host.metadata, key));
  const evidence =
    label !== undefined
      ? labelled(host, label)
      : metadata !== undefined
        ? `metadata ${metadata}`
        : isGroup
          ? `metadata created-by=${group}`
          : null;
  if (evidence === null) return null;
  // The name proves nothing, but says which kind of a proven node it is.
  if (host.name.startsWith('gk3-')) return { ...AUTOPILOT, evidence: `${evidence}, name ${host.name}` };
  return isGroup && group.includes('/gk3-') ? { ...AUTOPILOT, evidence } : { ...GKE, evidence };
}

function managedService(host: Host): StrongSignal | null {
  for (const key of Object.keys(host.labels)) {
    if (key.startsWith('goog-dataproc-')) return { ...DATAPROC, evidence: labelled(host, key) };
    if (key.startsWith('dataflow_') || key.startsWith('goog-dataflow-'))
      return { ...DATAFLOW, evidence: labelled(host, key) };
  }
  const mark = 'serverless-vpc-access';
  if (Object.hasOwn(host.labels, mark)) return { ...SERVERLESS, evidence: labelled(host, mark) };
  if (host.tags.includes(mark)) return { ...SERVERLESS, evidence: `tag ${mark}` };
  const tag = connectorTag(host);
  // Either alone is also set by hand.
  if (tag !== undefined && host.name.startsWith('aet-'))
    return { ...SERVERLESS, evidence: `tag ${tag}, name ${host.name}` };
  return null;
}

function connectorTag(host: Host): string | undefined {
  return host.tags.find((tag) => tag === CONNECTOR || tag.startsWith(`${CONNECTOR}-`));
}

const WEAK_GKE_METADATA = ['cluster-name', 'cluster-location', 'gci-update-strategy'];
const WEAK_DATAPROC_METADATA = ['dataproc-cluster-name', 'dataproc-role', 'dataproc-region'];

/** MM2: what the host looks like without being proven it, as a sentence; null: nothing. */
export function weakSignal(host: Host): string | null {
  const gke = keysIn(host.metadata, WEAK_GKE_METADATA);
  if (/^(gke|gk3)-/.test(host.name)) gke.push(`name ${host.name}`);
  const connector: string[] = [];
  const tag = connectorTag(host);
  if (tag !== undefined) connector.push(`tag ${tag}`);
  if (host.name.startsWith('aet-')) connector.push(`name ${host.name}`);
  const looks = [
    ['a GKE node', gke],
    ['a Dataproc node', keysIn(host.metadata, WEAK_DATAPROC_METADATA)],
    ['a connector of Serverless VPC Access', connector],
  ] as const;
  const found = looks.filter(([, signs]) => signs.length > 0);
  if (found.length === 0) return null;
  return found.map(([what, signs]) => `looks like ${what}, but only by ${signs.join(' and ')}`).join('; ');
}

/** Where no Debian package can be installed. */
export interface NoDpkg {
  /** Such as `built-in:windows`. */
  readonly rule: string;
  readonly evidence: string;
  /** The inventory's word for the operating system says something else than the licences of the disks. */
  readonly contradicted: boolean;
}

const COS = { rule: 'built-in:container-optimized-os', os: /^cos(-|$)/i };
const WINDOWS = { rule: 'built-in:windows', os: /^windows(-|$)/i };

/** Container-Optimized OS and Windows carry no Debian package; a licence counts where the operating system is not known. */
export function withoutDpkg(host: Host): NoDpkg | null {
  for (const { rule, os } of [COS, WINDOWS]) {
    if (os.test(host.os)) return { rule, evidence: `os ${host.os} has no dpkg`, contradicted: false };
  }
  for (const { rule, os } of [COS, WINDOWS]) {
    const licence = host.licenses?.find((one) => os.test(one));
    if (licence === undefined) continue;
    const contradicted = host.os !== '' && host.os !== 'unknown';
    const evidence = contradicted
      ? `licence ${licence} has no dpkg, but os is ${host.os}`
      : `licence ${licence} has no dpkg`;
    return { rule, evidence, contradicted };
  }
  return null;
}

function keysIn(record: Readonly<Record<string, string>>, keys: readonly string[]): string[] {
  return keys.filter((key) => Object.hasOwn(record, key)).map((key) => `metadata ${key}`);
}

function valueOf(record: Readonly<Record<string, string>>, key: string): string {
  return Object.hasOwn(record, key) ? (record[key] ?? '') : '';
}

function labelled(host: Host, key: string): string {
  const value = valueOf(host.labels, key);
  return value === '' ? `label ${key}` : `label ${key}=${value}`;
}
