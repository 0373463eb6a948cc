/** Where the embedded fleet keeps its things, and which hosts it is made of. It is a stand-in and never a real fleet. */
import { join } from 'node:path';

export interface SandboxHost {
  readonly id: string;
  readonly name: string;
  readonly environment: SandboxEnvironment;
  readonly zone: string;
  readonly role: string;
  readonly machineType: string;
  readonly os: string;
  readonly status: 'RUNNING' | 'TERMINATED';
  readonly labels: Readonly<Record<string, string>>;
  /** Has an SSH server and an agent; the others are in the inventory only. */
  readonly served: boolean;
}

export type SandboxEnvironment = 'gstg' | 'gprd';

export interface SandboxLayout {
  readonly root: string;
  readonly hostFolder: (host: Pick<SandboxHost, 'name'>) => string;
  readonly inventoryFile: (environment: SandboxEnvironment) => string;
  readonly clientKey: string;
  readonly knownHosts: string;
  readonly metricsUrlFile: string;
  readonly packages: string;
  /** The tools that its hosts have on their PATH. */
  readonly tools: string;
  /** JSON: pid and address of the running sandbox; written last. */
  readonly runningFile: string;
  readonly logFile: string;
}

export function sandboxLayout(stateDir: string): SandboxLayout {
  const root = join(stateDir, 'sandbox');
  return {
    root,
    hostFolder: (host) => join(root, 'hosts', host.name),
    inventoryFile: (environment) => join(root, `${environment}-hosts.yaml`),
    clientKey: join(root, 'id_ed25519'),
    knownHosts: join(root, 'known_hosts'),
    metricsUrlFile: join(root, 'prometheus-url'),
    packages: join(root, 'packages'),
    tools: join(root, 'tools'),
    runningFile: join(root, 'running.json'),
    logFile: join(root, 'sandbox.log'),
  };
}

const ZONES = ['us-east1-b', 'us-east1-c', 'us-east1-d'];
const ROLES = ['web', 'api', 'gitaly', 'sidekiq'];

/** Hosts a role has in each environment; with the exempt ones 24 in all. */
const PER_ROLE: Readonly<Record<SandboxEnvironment, number>> = { gstg: 2, gprd: 3 };

/** Two environments, four roles, three zones; two Kubernetes nodes and a stopped VM are among them. */
export function sandboxFleet(): SandboxHost[] {
  const hosts: SandboxHost[] = [];
  for (const environment of ['gstg', 'gprd'] as const) {
    for (const role of ROLES) {
      for (let n = 1; n <= PER_ROLE[environment]; n += 1) {
        hosts.push(member(hosts.length, environment, { role, n }));
      }
    }
    const node = member(hosts.length, environment, { role: 'gke', n: 1 });
    hosts.push({
      ...node,
      name: `gke-${environment}-default-pool-1`,
      os: 'cos-117',
      labels: { 'goog-gke-node': '' },
      served: false,
    });
    const stopped = member(hosts.length, environment, { role: 'web', n: 9 });
    hosts.push({ ...stopped, status: 'TERMINATED', served: false });
  }
  return hosts;
}

function member(
  index: number,
  environment: SandboxEnvironment,
  { role, n }: { role: string; n: number },
): SandboxHost {
  return {
    id: String(1_000_001 + index),
    name: `${role}-${String(n).padStart(2, '0')}-${environment}`,
    environment,
    zone: ZONES[index % ZONES.length] ?? 'us-east1-b',
    role,
    machineType: role === 'gitaly' ? 'n2-highmem-16' : 'n2-standard-4',
    os: 'debian-12',
    status: 'RUNNING',
    labels: {},
    served: true,
  };
}
