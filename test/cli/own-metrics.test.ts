/** The program's own metrics as a CI job or a scraper gets them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makePlace } from './rig.ts';

const place = makePlace();
for (const name of ['north', 'south']) {
  const lines = [
    `environment: ${name}`,
    `inventory: { kind: static, hosts: [{ id: "${name.length}${name}", name: web-${name}, address: ${name}.example.com, zone: z, role: web }] }`,
    `artifacts: { kind: local, path: ${place.folder}/${name}/store }`,
    `journal: { kind: local, path: ${place.folder}/${name}/journal }`,
    'ssh: { user: nobody, identityFiles: [~/.ssh/none] }',
    'prometheus: { url: "http://127.0.0.1:9" }',
  ];
  writeFileSync(join(place.configDir, 'environments', `${name}.yaml`), `${lines.join('\n')}\n`);
}
afterAll(() => place.remove());

async function takenPort(): Promise<{ port: number; free: () => Promise<void> }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { port, free: () => new Promise((resolve) => server.close(() => resolve())) };
}

describe('own metrics', () => {
  it('a run leaves them in the file that it was told, for every environment that it opened', async () => {
    const file = join(place.folder, 'collector', 'rollout.prom');
    const ran = await place.run(['status', '--metrics-file', file]);
    expect(ran.code).toBe(0);
    const text = readFileSync(file, 'utf8');
    expect(text).toContain('rollout_under_way{environment="north"} 0');
    expect(text).toContain('rollout_under_way{environment="south"} 0');
    expect(text).toContain('rollout_run_exit_code{environment="north",command="status"} 0');
  });

  it('where they cannot go is said, and the command ends as it would without', async () => {
    const taken = await takenPort();
    const ran = await place.run(['status'], {
      env: { ROLLOUT_METRICS_PORT: String(taken.port), ROLLOUT_METRICS_PUSH: 'http://127.0.0.1:9' },
    });
    await taken.free();
    expect(ran.code).toBe(0);
    expect(ran.stderr).toContain(`own metrics: cannot listen on 127.0.0.1:${taken.port}: EADDRINUSE`);
    expect(ran.stderr).toContain('own metrics: the Pushgateway at http://127.0.0.1:9/ did not take them');
    const wrong = await place.run(['status', '--metrics-port', 'web']);
    expect(wrong.code).toBe(0);
    expect(wrong.stderr).toContain('--metrics-port takes PORT or HOST:PORT, not "web"');
  });

  it('are served while a command runs, and no longer', async () => {
    const { port, free } = await takenPort();
    await free();
    const watching = place.start(['watch', '--metrics-port', String(port)]);
    await watching.says(/south/u);
    const scraped = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(scraped).toContain('rollout_journal_entries{environment="south"} 0');
    watching.kill('SIGINT');
    await watching.ended;
    await expect(fetch(`http://127.0.0.1:${port}/metrics`)).rejects.toThrow('fetch failed');
  });
});
