/** What the embedded agents do, seen from outside: sampled off the hosts' folders, kept for a while, asked by time. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** One look at one host's agent. */
interface AgentSample {
  readonly at: number;
  readonly processes: number;
  readonly startedAt: number;
  readonly cores: number;
  readonly bytes: number;
}

/** How long samples are kept, ms: longer than any window and any bake of the sandbox. */
const KEEP_MS = 15 * 60_000;

export type Measure = 'cpu' | 'memory' | 'restarts' | 'processes' | 'run-queue' | 'alerts';

/** An alert like GitLab's OSQueryHighCPU, cores; here it fires at once. */
const ALERT_CORES = 0.1;

export interface AgentSamples {
  /** Looks at every host now. */
  sample(now: number): Promise<void>;
  /** The value over (at - windowMs, at]; undefined where nothing was seen. */
  value(host: string, measure: Measure, at: number, windowMs: number): number | undefined;
}

export function agentSamples(
  hosts: readonly { readonly name: string; readonly root: string }[],
  service: string,
): AgentSamples {
  const series = new Map<string, AgentSample[]>(hosts.map((host) => [host.name, []]));
  return {
    sample: async (now) => {
      await Promise.all(
        hosts.map(async ({ name, root }) => {
          const samples = series.get(name) ?? [];
          samples.push(await lookAtAgent(root, service, now));
          while ((samples[0]?.at ?? now) < now - KEEP_MS) samples.shift();
        }),
      );
    },
    value: (host, measure, at, windowMs) => {
      const seen = (series.get(host) ?? []).filter((sample) => sample.at > at - windowMs && sample.at <= at);
      const last = seen.at(-1);
      if (last === undefined) return undefined;
      switch (measure) {
        case 'cpu':
          return seen.reduce((sum, sample) => sum + sample.cores, 0) / seen.length;
        case 'memory':
          return last.bytes;
        // Hosts of the sandbox have nothing else to do: who waits for a core waits for the agent.
        case 'run-queue':
          return 0.01 + last.cores / 20;
        case 'alerts':
          return seen.every((sample) => sample.cores > ALERT_CORES) ? 1 : 0;
        case 'processes':
          return last.processes;
        case 'restarts':
          return seen.filter((sample, index) => index > 0 && sample.startedAt !== seen[index - 1]?.startedAt)
            .length;
        default:
          return measure satisfies never;
      }
    },
  };
}

async function lookAtAgent(root: string, service: string, at: number): Promise<AgentSample> {
  const unit = pairs(await readFile(join(root, 'run/systemd-shim', service), 'utf8').catch(() => ''));
  const pid = unit.pid ?? '0';
  const dead = { at, processes: 0, startedAt: 0, cores: 0, bytes: 0 };
  if (pid === '0' || unit.active !== 'active') return dead;
  const running = pairs(await readFile(join(root, 'proc', pid, 'exe'), 'utf8').catch(() => ''));
  const crashes = Number(running.crash ?? 0) === 1;
  // A process on a quiet machine still varies; a sine of the time does, and tests see the same every time.
  const sway = 1 + 0.1 * Math.sin(at / 1_700 + Number(pid));
  return {
    at,
    processes: 2,
    startedAt: crashes ? at : Number(pid),
    cores: Number(running.cpu ?? 0) * sway,
    bytes: Number(running.memory ?? 0),
  };
}

function pairs(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const at = line.indexOf('=');
    if (at > 0) found[line.slice(0, at)] = line.slice(at + 1);
  }
  return found;
}
