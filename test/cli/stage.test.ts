/** `rollout stage` of packages that take a while: into a bucket, on a terminal, in a pipe, interrupted. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { writeDeb } from '../../src/adapters/deb/write.ts';
import { type FakeIdentity, startIdentity } from '../fakes/google/identity.ts';
import { type FakeStorage, startStorageServer } from '../fakes/google/storage-server.ts';
import { jsonLines, lastLine, makePlace } from './rig.ts';

const place = makePlace();
const hasScript = spawnSync('script', ['--version']).status === 0;
if (!hasScript)
  console.log('stage.test.ts: no live line is looked at, since there is no util-linux `script`');
const dir = join(place.folder, 'cloud');
const file = join(place.folder, 'large.deb');
let identity: FakeIdentity;
let storage: FakeStorage;

beforeAll(async () => {
  identity = await startIdentity({ folder: place.folder });
  storage = await startStorageServer({ buckets: [{ name: 'my-bucket' }] });
  mkdirSync(join(dir, 'environments'), { recursive: true });
  const { keyFile } = identity;
  writeFileSync(
    join(dir, 'environments/gstg.yaml'),
    `environment: gstg
inventory: { kind: static, hosts: [{ id: "1", name: w, address: 127.0.0.1, zone: z-a, role: web }] }
artifacts: { kind: gcs, bucket: my-bucket, prefix: uptycs, credentials: { keyFile: ${keyFile} } }
journal: { kind: local, path: ${dir}/j }
ssh: { user: ops, agent: true }
prometheus: { url: "http://127.0.0.1:9" }
`,
  );
  // Noise, so that no compression makes it small.
  const content = randomBytes(20_000_000);
  writeFileSync(
    file,
    writeDeb({
      package: 'osquery',
      version: '5.10.2-1.linux',
      architecture: 'amd64',
      contents: [{ kind: 'file', path: '/opt/osquery/bin/osqueryd', content, mode: 0o755 }],
    }),
  );
});
afterEach(() => {
  storage.clearFaults();
  const bucket = storage.buckets.get('my-bucket');
  const names = (bucket?.versions ?? []).map(({ name }) => name);
  for (const name of names) bucket?.remove(name);
});
afterAll(async () => {
  await Promise.all([identity.close(), storage.close()]);
  await place.remove();
});

const words = (): string[] => ['stage', '5.10.2', '--package', `gstg=${file}`, '--config', dir];
const env = (): Record<string, string> => ({
  ROLLOUT_STORAGE_ENDPOINT: storage.url,
  ROLLOUT_IAMCREDENTIALS_ENDPOINT: identity.url,
  METADATA_SERVER_DETECTION: 'none',
});

describe('a large package', () => {
  it('in a pipe is staged without a word of progress', async () => {
    const ran = await place.run(words(), { env: env() });
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(/^gstg {2}5\.10\.2 amd64 {2}staged {2}20\.0 MB {2}sha256 [0-9a-f]{64}\n$/u);
  }, 60_000);

  it.runIf(hasScript)(
    'on a terminal shows how far it is in a line that is gone at the end',
    async () => {
      const ran = await place.onTerminal(words(), { env: env() }).ended;
      expect(ran.code).toBe(0);
      const shown = [
        ...ran.stdout.matchAll(/gstg {2}large\.deb {2}(\S+) \S+ of 20\.0 MB stored \((\d+) %\)/gu),
      ];
      const percents = shown.map(([, , percent]) => Number(percent));
      expect(percents.at(0)).toBe(0);
      expect(percents.at(-1)).toBe(100);
      expect(percents.filter((percent) => percent > 0 && percent < 100).length).toBeGreaterThan(0);
      const [screen = ''] = ran.stdout.split('\n').filter((line) => line.includes('staged'));
      expect(screen.replace(/^[^]*\r\u001b\[K/u, '')).toMatch(/^gstg {2}5\.10\.2/u);
    },
    60_000,
  );

  it('interrupted ends at once with 130, leaves nothing, and goes on when asked again', async () => {
    storage.fault({ on: 'resumable-chunk', kind: 'silent', times: 99 });
    for (const json of [[], ['--json']]) {
      const before = storage.requests.length;
      const started = place.start([...words(), ...json], { env: env() });
      const isSending = (): boolean =>
        storage.requests.slice(before).some(({ operation }) => operation === 'resumable-chunk');
      for (let waited = 0; waited < 20_000 && !isSending(); waited += 20)
        await new Promise((resolve) => setTimeout(resolve, 20));
      expect(isSending()).toBe(true);
      const began = performance.now();
      started.kill('SIGINT');
      const ran = await started.ended;
      expect(ran.code).toBe(130);
      expect(performance.now() - began).toBeLessThan(2_000);
      if (json.length > 0) expect(lastLine(ran)).toMatchObject({ type: 'result', code: 'interrupted' });
      else expect(ran.stderr).toMatch(/^interrupted: .*the same command again goes on/u);
      expect(ran.stderr).not.toContain('hosts');
    }
    expect(storage.buckets.get('my-bucket')?.versions).toEqual([]);
    storage.clearFaults();
    const again = await place.run([...words(), '--json'], { env: env() });
    expect(jsonLines(again.stdout)).toMatchObject([{ type: 'staged', kind: 'staged' }]);
  }, 90_000);

  it('takes no --yes: it asks nothing', async () => {
    const ran = await place.run([...words(), '--yes'], { env: env() });
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain("unknown option '--yes'");
  });
});
