/**
 * The embedded fleet: makes its folders and keys, gives every host an agent, serves SSH and metrics on loopback.
 *
 * X1  Everything lives below one folder; nothing listens beyond 127.0.0.1.
 * X2  Host keys and the client key are made anew for every sandbox and are 0600.
 */
import { spawn } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../ports/clock.ts';
import { agentSamples } from './agent-samples.ts';
import { makeKeyPair } from './key-pair.ts';
import { type SandboxEnvironment, type SandboxHost, type SandboxLayout, sandboxFleet } from './layout.ts';
import { type MetricsEndpoint, serveMetrics } from './metrics-endpoint.ts';
import { HOME } from './sftp-folder.ts';
import { type HostServer, serveHost } from './ssh-server.ts';
import { layTools } from './tools.ts';

/** Distance of two looks at the agents, ms: several lie in every window of the sandbox's gates. */
const SAMPLE_MS = 250;

/** Hosts set up at once: each takes a few short processes. */
const AT_ONCE = 4;

export const SERVICE = 'osqueryd';

export interface Sandbox {
  readonly hosts: readonly SandboxHost[];
  readonly metricsUrl: string;
  close(): Promise<void>;
}

export interface SandboxOptions {
  readonly layout: SandboxLayout;
  readonly clock: Clock;
  /** PATH of the machine. */
  readonly path: string;
  /** The package that every host has at the start, by environment: paths of `.deb` files. */
  readonly installed: Readonly<Record<SandboxEnvironment, string>>;
}

/** Starts from nothing: whatever lay in the folder before is deleted, but for the packages. */
export async function startSandbox({ layout, clock, path, installed }: SandboxOptions): Promise<Sandbox> {
  const tools = await layTools(layout.tools, path);
  const hosts = sandboxFleet();
  const served = hosts.filter((host) => host.served);
  const client = makeKeyPair('rollout-sandbox');
  await writeFile(layout.clientKey, client.private, { mode: 0o600 });
  const servers: HostServer[] = [];
  const knownHosts: string[] = [];
  const ports = new Map<string, number>();
  const queue = [...served];
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let host = queue.shift(); host !== undefined; host = queue.shift()) {
        const root = layout.hostFolder(host);
        await makeHost(root, host);
        await installAgent(root, installed[host.environment], tools);
        const key = makeKeyPair(host.name);
        const server = await serveHost({
          root,
          hostKey: key.private,
          clientKey: client.public,
          port: 0,
          path: tools,
        });
        servers.push(server);
        ports.set(host.name, server.port);
        knownHosts.push(`[127.0.0.1]:${server.port} ${key.public.split(' ').slice(0, 2).join(' ')}`);
      }
    }),
  );
  await writeFile(layout.knownHosts, `${knownHosts.join('\n')}\n`, { mode: 0o600 });
  for (const environment of ['gstg', 'gprd'] as const) {
    const listed = hosts
      .filter((host) => host.environment === environment)
      .map((host) => inventoryLine(host, ports));
    await writeFile(layout.inventoryFile(environment), `${JSON.stringify(listed, null, 1)}\n`);
  }
  const samples = agentSamples(
    served.map((host) => ({ name: host.name, root: layout.hostFolder(host) })),
    SERVICE,
  );
  await samples.sample(clock.now());
  const metrics = await serveMetrics(
    samples,
    served.map((host) => host.name),
  );
  await writeFile(layout.metricsUrlFile, `${metrics.url}\n`);
  const ended = new AbortController();
  const sampling = keepSampling(samples.sample, clock, ended.signal);
  return {
    hosts,
    metricsUrl: metrics.url,
    close: () => closeAll(servers, metrics, () => ended.abort(), sampling),
  };
}

async function keepSampling(
  sample: (now: number) => Promise<void>,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(SAMPLE_MS, signal);
    await sample(clock.now());
  }
}

async function closeAll(
  servers: readonly HostServer[],
  metrics: MetricsEndpoint,
  end: () => void,
  sampling: Promise<void>,
): Promise<void> {
  end();
  await sampling;
  await Promise.all([metrics.close(), ...servers.map((server) => server.close())]);
}

async function makeHost(root: string, host: SandboxHost): Promise<void> {
  await rm(root, { recursive: true, force: true });
  for (const folder of [HOME, '/etc', '/run/lock', '/proc/sys/kernel/random', '/var/lib', '/opt', '/tmp']) {
    await mkdir(join(root, folder), { recursive: true });
  }
  await writeFile(join(root, 'etc/hostname'), `${host.name}\n`);
  await writeFile(join(root, 'proc/sys/kernel/random/boot_id'), `00000000-0000-4000-8000-00000${host.id}\n`);
}

/** As a person would: dpkg -i, enable, start. */
function installAgent(root: string, packageFile: string, path: string): Promise<void> {
  const script = 'dpkg -i "$1" >/dev/null && systemctl enable "$2" && systemctl start "$2"';
  const child = spawn('/bin/sh', ['-c', script, 'sandbox', packageFile, SERVICE], {
    env: {
      PATH: path,
      ROLLOUT_ROOT: root,
      ROLLOUT_NODE: process.execPath,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaint += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else
        reject(new Error(`the sandbox could not install ${packageFile} into ${root}: ${complaint.trim()}`));
    });
  });
}

function inventoryLine(host: SandboxHost, ports: ReadonlyMap<string, number>): Record<string, unknown> {
  const { id, name, zone, role, machineType, os, status, labels } = host;
  const port = ports.get(name);
  return {
    id,
    name,
    // What is not served is never contacted: an address of the range for documentation (RFC 5737).
    address: host.served ? '127.0.0.1' : `192.0.2.${Number(id) % 1_000}`,
    ...(port === undefined ? {} : { port }),
    zone,
    role,
    machineType,
    os,
    status,
    labels,
  };
}

/** What a host really runs, read off its folder. */
export interface SandboxAgent {
  readonly host: SandboxHost;
  readonly active: string;
  readonly running: string;
}

export async function readAgents(layout: SandboxLayout): Promise<SandboxAgent[]> {
  return Promise.all(
    sandboxFleet()
      .filter((host) => host.served)
      .map(async (host) => {
        const root = layout.hostFolder(host);
        const unit = await readFile(join(root, 'run/systemd-shim', SERVICE), 'utf8').catch(() => '');
        const pid = /^pid=(\d+)$/mu.exec(unit)?.[1] ?? '0';
        const executable = await readFile(join(root, 'proc', pid, 'exe'), 'utf8').catch(() => '');
        return {
          host,
          active: /^active=(.*)$/mu.exec(unit)?.[1] ?? 'unknown',
          running: /^version=(.*)$/mu.exec(executable)?.[1] ?? '-',
        };
      }),
  );
}
