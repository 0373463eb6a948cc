/** A VM as Compute Engine tells of it, in the domain's words. */
import type { GceInventorySettings } from '../../../domain/cloud.ts';
import type { Host, VmStatus } from '../../../domain/host.ts';
import type { InstanceAnswer } from './answers.ts';
import { keptMetadata } from './metadata.ts';
import { operatingSystemOf } from './operating-system.ts';

export interface Place {
  readonly project: string;
  readonly zone: string;
}

/** Null when it has no id or no name: it is no answer that can be relied on. */
export function hostOf(
  vm: InstanceAnswer,
  { project, zone }: Place,
  settings: Pick<GceInventorySettings, 'roleLabel' | 'address'>,
): Host | null {
  const id = String(vm.id ?? '');
  const name = vm.name ?? '';
  if (!/^[1-9]\d*$/.test(id) || name === '') return null;
  const status = statusOf(vm.status ?? '');
  const labels = { ...vm.labels };
  const first = vm.networkInterfaces?.[0];
  const internal = first?.networkIP || first?.ipv6Address || '';
  const external =
    first?.accessConfigs?.find((each) => each.natIP)?.natIP ??
    first?.ipv6AccessConfigs?.find((each) => each.externalIpv6)?.externalIpv6 ??
    '';
  const createdAt = Date.parse(vm.creationTimestamp ?? '');
  const network = lastWord(first?.network);
  const boot = vm.disks?.find((disk) => disk.boot) ?? vm.disks?.[0];
  return {
    id,
    name,
    address: addressOf(settings.address, { id, name, zone, project, internal, external }, status),
    zone: lastWord(vm.zone) || zone,
    role: (Object.hasOwn(labels, settings.roleLabel) && labels[settings.roleLabel]) || 'none',
    machineType: lastWord(vm.machineType),
    os: operatingSystemOf((boot?.licenses ?? []).map(lastWord)),
    status,
    labels,
    tags: [...(vm.tags?.items ?? [])],
    metadata: keptMetadata(vm.metadata?.items ?? []),
    spot: vm.scheduling?.provisioningModel === 'SPOT' || vm.scheduling?.preemptible === true,
    project,
    ...(Number.isNaN(createdAt) ? {} : { createdAt }),
    ...(network === '' ? {} : { network }),
    ...(internal === '' ? {} : { internalAddress: internal }),
    ...(external === '' ? {} : { externalAddress: external }),
    licenses: [...new Set((vm.disks ?? []).flatMap((disk) => (disk.licenses ?? []).map(lastWord)))],
  };
}

/**
 * What SSH connects to. A running VM without the address that is asked for gets a name that no resolver knows (RFC 6761) and that
 * says what is missing: an empty one would be this machine itself. One that does not run is not connected to.
 */
function addressOf(
  template: string,
  values: Readonly<Record<'id' | 'name' | 'zone' | 'project' | 'internal' | 'external', string>>,
  status: VmStatus,
): string {
  const names = ['internal', 'external'] as const;
  const missing = names.find((name) => values[name] === '' && template.includes(`{${name}}`));
  if (missing !== undefined)
    return status === 'RUNNING' ? `${values.name}.has-no-${missing}-address.invalid` : '';
  return template.replaceAll(
    /\{(id|name|zone|project|internal|external)\}/g,
    (_, name: keyof typeof values) => values[name],
  );
}

const STATUSES: Readonly<Record<string, VmStatus>> = {
  PROVISIONING: 'PROVISIONING',
  PENDING: 'PROVISIONING',
  STAGING: 'STAGING',
  RUNNING: 'RUNNING',
  STOPPING: 'STOPPING',
  PENDING_STOP: 'STOPPING',
  DEPROVISIONING: 'STOPPING',
  SUSPENDING: 'SUSPENDING',
  SUSPENDED: 'SUSPENDED',
  REPAIRING: 'REPAIRING',
  STOPPED: 'TERMINATED',
  TERMINATED: 'TERMINATED',
};

/** A word that is new to us is anything but RUNNING. */
function statusOf(word: string): VmStatus {
  return (Object.hasOwn(STATUSES, word) ? STATUSES[word] : undefined) ?? 'REPAIRING';
}

/** Of a URL's path. */
function lastWord(url: string | null | undefined): string {
  return url?.split('/').at(-1) ?? '';
}
