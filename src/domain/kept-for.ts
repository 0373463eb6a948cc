/**
 * For what something is kept on this machine: which journal an entry waits for, which fleet a listing is of.
 *
 * KF1  An environment's name is not enough: two configurations may both have a `gprd`, and an environment may move to another bucket. A
 *      stop must not use another fleet's hosts, and an entry must not land in a journal that it was not written for.
 */
import type { GceInventorySettings } from './cloud.ts';
import type { Environment } from './environment.ts';
import { canonicalJson } from './journal.ts';

/** Where the journal is, such as `gs://bucket/folder` or an absolute path. Whose rights are used to reach it does not matter. */
export function journalPlace(journal: Environment['journal']): string {
  if (journal.kind === 'local') return journal.path;
  return `gs://${journal.bucket}${journal.prefix === '' ? '' : `/${journal.prefix}`}`;
}

/**
 * The same text for environments whose VMs are listed from the same place: in a cloud, with the same roles and addresses; in a list,
 * for the same environment from the same file, whatever stands in it today.
 */
export function fleetIdentity({
  name,
  file,
  inventory,
}: Pick<Environment, 'name' | 'file' | 'inventory'>): string {
  if (inventory.kind === 'gce') return cloudIdentity(inventory);
  return canonicalJson({ kind: 'static', environment: name, file: inventory.file ?? file });
}

function cloudIdentity({ projects, zones, filter, roleLabel, address }: GceInventorySettings): string {
  const sorted = (words: readonly string[]): string[] => [...new Set(words)].sort();
  return canonicalJson({
    kind: 'gce',
    projects: sorted(projects),
    zones: zones === undefined ? null : sorted(zones),
    filter: filter ?? null,
    roleLabel,
    address,
  });
}
