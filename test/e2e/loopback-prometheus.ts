/** A real Prometheus on loopback that scrapes one exposition a host each second. Needs no root and no real hosts. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createSocketServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { must, run, until } from './rig/command.ts';
import { rigSettings } from './rig/settings.ts';

/** The program, or why there is none. Debian's package is unpacked into the rig's cache; nothing is installed. */
export async function findPrometheus(): Promise<{ readonly program: string } | { readonly missing: string }> {
  const installed = (await run('sh', ['-c', 'command -v prometheus'])).stdout.trim();
  if (installed !== '') return { program: installed };
  const { cache } = rigSettings();
  const program = join(cache, 'prometheus/usr/bin/prometheus');
  if (existsSync(program)) return { program };
  const work = await mkdir(cache, { recursive: true }).then(
    () => mkdtemp(join(cache, 'prometheus.')),
    () => mkdtemp(join(tmpdir(), 'rollout-prometheus-')),
  );
  try {
    const got = await run('sh', ['-c', 'cd "$1" && apt-get --quiet=2 download prometheus', 'sh', work]);
    const file = (await readdir(work)).find((name) => name.endsWith('.deb'));
    if (got.code !== 0 || file === undefined) {
      return { missing: `apt-get cannot download Debian's prometheus: ${got.stderr.trim()}` };
    }
    await must('dpkg-deb', ['--extract', join(work, file), join(work, 'unpacked')]);
    // Another test may have been faster: then its copy serves.
    await rename(join(work, 'unpacked'), join(cache, 'prometheus')).catch(() => {});
    return existsSync(program) ? { program } : { missing: `${cache} cannot be written` };
  } catch (error) {
    return { missing: (error as Error).message };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

export interface ScrapedHost {
  readonly fqdn: string;
  /** Default `process`. */
  readonly job?: string;
  /** The exposition at a time (ms since the first scrape), or null: the scrape fails. */
  readonly exposition: (elapsedMs: number, startedAt: number) => string | null;
}

export interface LoopbackPrometheus {
  readonly url: string;
  /** The first scrape, ms since the epoch. */
  readonly startedAt: number;
  close(): Promise<void>;
}

export async function startLoopbackPrometheus(
  program: string,
  hosts: readonly ScrapedHost[],
  /** Alerts by their names, and when they fire; at once, judged each second. */
  alerts: Readonly<Record<string, string>> = {},
): Promise<LoopbackPrometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'rollout-prometheus-'));
  // Prometheus waits some 5 s for its list of targets: the hosts' time begins with the first scrape.
  let startedAt = 0;
  const exporter = createServer((request, response) => {
    if (startedAt === 0) startedAt = Date.now();
    const host = hosts[Number(request.url?.slice(1))];
    const text = host?.exposition(Date.now() - startedAt, startedAt) ?? null;
    response
      .writeHead(text === null ? 500 : 200, { 'content-type': 'text/plain; version=0.0.4' })
      .end(text ?? '');
  });
  await new Promise<void>((resolve) => {
    exporter.listen(0, '127.0.0.1', resolve);
  });
  const target = `127.0.0.1:${(exporter.address() as AddressInfo).port}`;
  const jobs = [...new Set(hosts.map((host) => host.job ?? 'process'))];
  const configuration = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: [join(folder, 'rules.yml')],
    scrape_configs: jobs.map((job) => ({
      job_name: job,
      static_configs: hosts.flatMap((host, index) =>
        (host.job ?? 'process') === job
          ? [
              {
                targets: [target],
                labels: { fqdn: host.fqdn, instance: host.fqdn, __metrics_path__: `/${index}` },
              },
            ]
          : [],
      ),
    })),
  };
  const rules = Object.entries(alerts).map(([alert, expr]) => ({ alert, expr }));
  // JSON is YAML.
  await writeFile(join(folder, 'rules.yml'), JSON.stringify({ groups: [{ name: 'test', rules }] }));
  await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(configuration));
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    program,
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-4_000)));
  const ended = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('exit', () => resolve());
  });
  const close = async (): Promise<void> => {
    child.kill('SIGTERM');
    await ended;
    exporter.closeAllConnections();
    await new Promise((resolve) => {
      exporter.close(resolve);
    });
    await rm(folder, { recursive: true, force: true });
  };
  const url = `http://${address}`;
  try {
    await until('Prometheus is ready', async () => {
      const answer = await fetch(`${url}/-/ready`, { signal: AbortSignal.timeout(1_000) }).catch(() => null);
      return answer?.ok;
    });
    await until('the first scrape', () => startedAt > 0);
  } catch (error) {
    await close();
    throw new Error(`Prometheus did not start; the end of its log:\n${log}`, { cause: error });
  }
  return { url, startedAt, close };
}

/** A port that was free a moment ago: Prometheus cannot tell which one it took. */
async function freePort(): Promise<number> {
  const server = createSocketServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return port;
}
