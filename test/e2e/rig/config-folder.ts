/** The configuration folder of a fleet of real hosts: what an engineer would have written for it, in seconds instead of hours. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { RigHost } from './host.ts';

interface Settings {
  readonly [key: string]: unknown;
}

/** Laid over what is written by default: mappings are merged key by key, anything else is replaced. */
export interface ConfigOverrides {
  /** For every environment. */
  readonly all?: Settings;
  /** For one environment, by its name. */
  readonly only?: Readonly<Record<string, Settings>>;
}

export interface WrittenConfig {
  /** What `--config` takes. */
  readonly folder: string;
  /** An environment's file. */
  file(environment: string): string;
  /** An environment's artifact store. */
  artifacts(environment: string): string;
  /** An environment's journal. */
  journal(environment: string): string;
}

function isMapping(value: unknown): value is Settings {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function merged(below: Settings, above: Settings): Settings {
  const result: Record<string, unknown> = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const old = result[key];
    result[key] = isMapping(old) && isMapping(value) ? merged(old, value) : value;
  }
  return result;
}

export async function writeConfig(parts: {
  folder: string;
  hosts: readonly RigHost[];
  prometheusUrl: string;
  identityFile: string;
  knownHosts: string;
  overrides: ConfigOverrides;
}): Promise<WrittenConfig> {
  const { folder, hosts, overrides } = parts;
  const place: WrittenConfig = {
    folder,
    file: (environment) => join(folder, 'environments', `${environment}.yaml`),
    artifacts: (environment) => join(folder, 'store', environment, 'artifacts'),
    journal: (environment) => join(folder, 'store', environment, 'journal'),
  };
  await mkdir(join(folder, 'environments'), { recursive: true });
  const knownHosts = join(folder, 'known_hosts');
  await writeFile(knownHosts, parts.knownHosts);

  const environments = [...new Set(hosts.map((host) => host.spec.environment))];
  for (const environment of environments) {
    await mkdir(place.artifacts(environment), { recursive: true });
    await mkdir(place.journal(environment), { recursive: true });
    const written = {
      environment,
      ...(environment === 'gprd' && environments.includes('gstg') ? { promotesFrom: 'gstg' } : {}),
      inventory: {
        kind: 'static',
        hosts: hosts
          .filter((host) => host.spec.environment === environment)
          .map((host) => ({
            id: host.id,
            name: host.name,
            address: host.address,
            zone: host.spec.zone,
            role: host.spec.role,
            machineType: 'n2-standard-4',
            os: 'debian-12',
            status: 'RUNNING',
          })),
      },
      artifacts: { kind: 'local', path: place.artifacts(environment) },
      journal: { kind: 'local', path: place.journal(environment) },
      ssh: {
        user: 'ops',
        identityFiles: [parts.identityFile],
        knownHosts: [knownHosts],
        connectTimeout: '5s',
        keepalive: '1s',
        concurrency: 16,
        agent: false,
      },
      prometheus: { url: parts.prometheusUrl, hostLabel: 'fqdn', hostValue: '{name}', delay: '1s' },
      agent: {
        package: 'osquery',
        service: 'osqueryd',
        executable: '/opt/osquery/bin/osqueryd',
        architectures: ['amd64'],
      },
      targeting: { include: 'true' },
      waves: {
        strata: ['role'],
        // oxlint-disable-next-line unicorn/no-thenable -- the configuration's own word
        then: ['50%', '100%'],
        maxUnavailable: { environment: '50%', zone: '100%', role: '100%' },
      },
      soak: '10s',
      bake: '20s',
      sampleEvery: '2s',
      prove: '2s',
      limits: {
        failedHosts: 0,
        unreachableHosts: 0,
        hostDeadline: '30s',
        retryEvery: '2s',
        rollbackDeadline: '60s',
      },
      gates: [
        { use: 'agent-cpu', window: '10s' },
        { use: 'agent-memory' },
        { use: 'agent-restarts', window: '10s' },
        { use: 'agent-alive' },
      ],
      confirm: 'yes-no',
    };
    const resolved = merged(merged(written, overrides.all ?? {}), overrides.only?.[environment] ?? {});
    await writeFile(place.file(environment), stringify(resolved));
  }
  return place;
}
