/** A real Prometheus on this machine's side of the bridge, scraping process-exporter on every host each second. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { must, run, until } from './command.ts';
import type { RigHost } from './host.ts';
import type { RigSettings } from './settings.ts';

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Unpacks Debian's package into the cache unless it is there; nothing is installed on this machine. Gives the program. */
export async function fetchPrometheus(settings: RigSettings): Promise<string> {
  const folder = join(settings.cache, 'prometheus');
  const program = join(folder, 'usr/bin/prometheus');
  if (existsSync(program)) return program;
  const work = await mkdtemp(join(settings.cache, 'prometheus.'));
  try {
    const got = await run('sh', ['-c', 'cd "$1" && apt-get --quiet=2 download prometheus', 'sh', work], {
      timeoutMs: 300_000,
    });
    const file = (await readdir(work)).find((name) => name.endsWith('.deb'));
    if (got.code !== 0 || file === undefined)
      throw new Error(
        `cannot get Debian's prometheus package; try scripts/debian-packages.sh, which reads apt's lists: ${got.stderr.trim()}`,
      );
    await must('dpkg-deb', ['--extract', join(work, file), join(work, 'unpacked')]);
    // Another run may have been faster: then its copy serves.
    await rename(join(work, 'unpacked'), folder).catch((error: unknown) => {
      if (!existsSync(program)) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return program;
}

/** As in a rule file. */
export interface RuleGroup {
  readonly name: string;
  readonly rules: readonly {
    readonly alert?: string;
    readonly record?: string;
    readonly expr: string;
    readonly for?: string;
    readonly labels?: Readonly<Record<string, string>>;
  }[];
}

export class RigPrometheus {
  /** Without `/api/v1`. */
  readonly url: string;
  readonly #settings: RigSettings;
  readonly #folder: string;
  #program = '';
  #pid: number | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(settings: RigSettings) {
    this.#settings = settings;
    this.#folder = join(settings.state, 'prometheus');
    this.url = `http://${settings.net}.1:9090`;
  }

  /** Writes its configuration for these hosts and starts it. `rules`: a rule file's `groups`, evaluated each second. */
  async create(hosts: readonly RigHost[], { rules }: { rules?: readonly RuleGroup[] } = {}): Promise<void> {
    this.#program = await fetchPrometheus(this.#settings);
    await mkdir(this.#folder, { recursive: true });
    const targets = hosts.map(({ spec, address }) => ({
      targets: [`${address}:9256`],
      labels: { fqdn: spec.name, role: spec.role, zone: spec.zone, env: spec.environment },
    }));
    const ruleFile = join(this.#folder, 'rules.yml');
    if (rules !== undefined) await writeFile(ruleFile, JSON.stringify({ groups: rules }, null, 2));
    const configuration = {
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      ...(rules === undefined ? {} : { rule_files: [ruleFile] }),
      scrape_configs: [{ job_name: 'process', static_configs: targets }],
    };
    // JSON is YAML.
    await writeFile(join(this.#folder, 'prometheus.yml'), JSON.stringify(configuration, null, 2));
    await this.start();
  }

  /** Starts it again with all that it had recorded; the time it was stopped for is a gap. Does nothing when it runs. */
  async start(): Promise<void> {
    if (this.#pid !== undefined) return;
    const log = openSync(join(this.#folder, 'log'), 'a');
    const child = spawn(
      this.#program,
      [
        `--config.file=${join(this.#folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(this.#folder, 'data')}`,
        `--web.listen-address=${new URL(this.url).host}`,
      ],
      { detached: true, stdio: ['ignore', log, log] },
    );
    closeSync(log);
    this.#ended = new Promise((resolve) => {
      child.on('error', () => resolve());
      child.on('exit', () => resolve());
    });
    this.#pid = child.pid;
    child.unref();
    await writeFile(join(this.#settings.state, 'prometheus.pid'), String(child.pid));
    try {
      await until('Prometheus is ready', async () => {
        const answer = await fetch(`${this.url}/-/ready`, { signal: AbortSignal.timeout(1000) }).catch(
          () => null,
        );
        return answer?.ok;
      });
    } catch (error) {
      const end = (await readFile(join(this.#folder, 'log'), 'utf8')).split('\n').slice(-10).join('\n');
      throw new Error(`Prometheus did not start; the end of its log:\n${end}`, { cause: error });
    }
  }

  /** Ends it in an orderly way; connections are then refused. Does nothing when it does not run. */
  async stop(): Promise<void> {
    if (this.#pid === undefined) return;
    process.kill(this.#pid, 'SIGTERM');
    // One that is frozen ends when it goes on.
    process.kill(this.#pid, 'SIGCONT');
    await this.#ended;
    this.#pid = undefined;
    await rm(join(this.#settings.state, 'prometheus.pid'), { force: true });
  }

  /** Takes connections and says nothing, scrapes nothing. Does nothing when it does not run. */
  freeze(): void {
    if (this.#pid !== undefined) process.kill(this.#pid, 'SIGSTOP');
  }

  thaw(): void {
    if (this.#pid !== undefined) process.kill(this.#pid, 'SIGCONT');
  }

  /** Starts it anew, without a past: what an earlier scenario burnt is in no later one's window. */
  async reset(): Promise<void> {
    await this.stop();
    await rm(join(this.#folder, 'data'), { recursive: true, force: true });
    await this.start();
  }

  /** An instant query's vector, as of now. */
  async query(expression: string): Promise<readonly Series[]> {
    const answer = await fetch(`${this.url}/api/v1/query`, {
      method: 'POST',
      body: new URLSearchParams({ query: expression }),
      signal: AbortSignal.timeout(5000),
    });
    const body = (await answer.json()) as {
      status: string;
      error?: string;
      data?: { result: { metric: Record<string, string>; value: [number, string] }[] };
    };
    if (body.status !== 'success' || body.data === undefined)
      throw new Error(`Prometheus refused ${expression}: ${body.error ?? answer.status}`);
    return body.data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
  }
}
