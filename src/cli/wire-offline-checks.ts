/** Self-checks of the files that an environment names. Asks nobody: no network, no agent. */
import { keyFileCheck } from '../adapters/google/checks/credentials.ts';
import { sshFileChecks } from '../adapters/ssh/checks.ts';
import type { Environment } from '../domain/environment.ts';
import type { SelfCheck } from '../ports/self-check.ts';

export function wireOfflineChecks({ inventory, artifacts, journal, ssh, file }: Environment): SelfCheck[] {
  const uses = new Map<string, string[]>();
  for (const [use, place] of Object.entries({ inventory, artifacts, journal })) {
    const keyFile = 'credentials' in place ? place.credentials.keyFile : undefined;
    if (keyFile !== undefined) uses.set(keyFile, [...(uses.get(keyFile) ?? []), use]);
  }
  return [
    ...[...uses].map(([keyFile, parts]) => keyFileCheck(keyFile, parts.join(', '))),
    ...sshFileChecks({
      settings: ssh,
      published: inventory.kind === 'gce' && inventory.publishedHostKeys,
      file,
    }),
  ];
}
