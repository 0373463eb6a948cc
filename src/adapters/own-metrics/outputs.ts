/**
 * Where the program's own metrics go: served over HTTP, pushed to a Pushgateway, or written for node-exporter's textfile collector.
 * None of them ever changes how a command ends: an error is a sentence for the screen.
 */
import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { basename, dirname, join } from 'node:path';
import { Pushgateway, type Registry } from 'prom-client';
import { err, ok, type Result } from '../../domain/result.ts';

/** `[HOST:]PORT`; without a host on loopback alone. Null: it is none. */
export function parseListen(text: string): { readonly host: string; readonly port: number } | null {
  const match = /^(?:(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)?:)?(\d{1,5})$/u.exec(text);
  const port = Number(match?.[2] ?? Number.NaN);
  if (match === null || !(port >= 0 && port <= 65_535)) return null;
  const host = match[1]?.replace(/^\[|\]$/gu, '');
  // ":9464" is every address, as others write it.
  return { host: host ?? (text.startsWith(':') ? '0.0.0.0' : '127.0.0.1'), port };
}

export interface Served {
  /** The port that it really listens on. */
  readonly port: number;
  close(): Promise<void>;
}

/** Answers GET /metrics; `refresh` is called before each answer. */
export function serveMetrics(
  registry: Registry,
  { host, port }: { readonly host: string; readonly port: number },
  refresh: () => Promise<void>,
): Promise<Result<Served, string>> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0];
    if (path !== '/metrics' || (request.method !== 'GET' && request.method !== 'HEAD')) {
      response
        .writeHead(path === '/metrics' ? 405 : 404, { 'content-type': 'text/plain' })
        .end('GET /metrics\n');
      return;
    }
    refresh()
      .then(() => registry.metrics())
      .then(
        (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
        () => response.writeHead(500, { 'content-type': 'text/plain' }).end('not now\n'),
      );
  });
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve(err(`cannot listen on ${host}:${port}: ${error.code ?? error.message}`)),
    );
    server.listen(port, host, () => {
      // It serves while the command runs and does not keep it alive.
      server.unref();
      const address = server.address();
      const bound = typeof address === 'object' && address !== null ? address.port : port;
      resolve(ok({ port: bound, close: () => closed(server) }));
    });
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.closeAllConnections();
    server.close(() => resolve());
  });
}

/** How long a Pushgateway may take to answer, ms. */
const PUSH_TIMEOUT_MS = 5_000;

/** Adds to the group `job="rollout"`: series of the same name are replaced, those of other commands stay. */
export async function pushMetrics(registry: Registry, url: string): Promise<Result<void, string>> {
  const shown = withoutUser(url);
  if (shown === null) return err(`not an http(s) URL: ${JSON.stringify(url.slice(0, 40))}`);
  try {
    const gateway = new Pushgateway(url, { timeout: PUSH_TIMEOUT_MS }, registry);
    await gateway.pushAdd({ jobName: 'rollout' });
    return ok(undefined);
  } catch (error) {
    return err(`the Pushgateway at ${shown} did not take them: ${plain(error)}`);
  }
}

function withoutUser(url: string): string | null {
  if (!URL.canParse(url)) return null;
  const { protocol, host, pathname } = new URL(url);
  return protocol === 'http:' || protocol === 'https:' ? `${protocol}//${host}${pathname}` : null;
}

function plain(error: unknown): string {
  const text =
    error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error);
  return text
    .replaceAll(/\p{Cc}+/gu, ' ')
    .replaceAll(/\/\/[^@/\s]*@/gu, '//')
    .slice(0, 200);
}

/** Whole or not at all, since a collector may read at any moment; readable for it. */
export async function writeTextfile(registry: Registry, path: string): Promise<Result<void, string>> {
  const part = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    if (!path.endsWith('.prom'))
      return err(`${path}: the textfile collector reads only names that end in .prom`);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(part, await registry.metrics(), { mode: 0o644 });
    await chmod(part, 0o644);
    await rename(part, path);
    return ok(undefined);
  } catch (error) {
    await rm(part, { force: true }).catch(() => {});
    return err(`cannot write ${path}: ${plain(error)}`);
  }
}
