/** One measured process of cloud.ts: `node cloud-child.ts plan|plain-list|replay|plain-replay URL KEY_FILE [BUCKET]`. */
import { systemClock } from '../src/adapters/clock/system-clock.ts';
import { signIn } from '../src/adapters/google/access.ts';
import { gceInventory } from '../src/adapters/google/compute/inventory.ts';
import { googleBucket } from '../src/adapters/google/storage/bucket.ts';
import { gcsJournal } from '../src/adapters/google/storage/journal.ts';
import { sha256Hex } from '../src/adapters/local-journal/chain.ts';
import { foldEntries } from '../src/domain/fold.ts';
import { verifyChain } from '../src/domain/journal.ts';
import { planRollout } from '../src/domain/planning.ts';
import { classify } from '../src/domain/targeting.ts';
import { artifactOf } from '../test/fakes/some-artifacts.ts';
import type { ChildResult } from './cloud.ts';

const [work = '', url = '', keyFile = '', bucket = ''] = process.argv.slice(2);
const credentials = { keyFile };

async function plan(): Promise<string> {
  const settings = {
    kind: 'gce',
    projects: ['sandbox'],
    roleLabel: 'type',
    address: '{internal}',
    publishedHostKeys: true,
    instanceCheck: true,
    credentials,
  } as const;
  const access = { credentials, endpoints: { compute: url } };
  const listed = await gceInventory({ settings, access, clock: systemClock }).list();
  if (!listed.ok) throw new Error(listed.error.message);
  const hosts = classify(
    listed.value.hosts,
    { include: 'true', exempt: [], eligible: [] },
    systemClock.now(),
  );
  const [old, fresh] = [artifactOf('old', { version: '5.10.1' }), artifactOf('fresh', { version: '5.10.2' })];
  const agent = { packageVersion: old.control.version, architecture: 'amd64' };
  const bound = { kind: 'percent', percent: 10 } as const;
  const made = planRollout({
    hosts,
    survey: new Map(hosts.map(({ host }) => [host.id, { kind: 'surveyed', agent, runsTarget: false }])),
    target: { version: fresh.version, artifacts: { amd64: fresh } },
    staged: [old, fresh],
    policy: {
      strata: ['role', 'machineType', 'zone'],
      then: [{ kind: 'percent', percent: 25 }],
      maxUnavailable: { environment: bound, zone: bound, role: bound },
    },
  });
  const planned = made.waves.reduce((sum, wave) => sum + wave.hosts.length, 0);
  return `${planned} in ${made.waves.length} waves, ${made.leftOut.length} left out`;
}

async function replay(): Promise<string> {
  const place = { kind: 'gcs', bucket, prefix: 'journal', credentials } as const;
  const access = { credentials, endpoints: { storage: url } };
  const journal = gcsJournal({
    objects: googleBucket({ place, access, clock: systemClock }),
    clock: systemClock,
  });
  const read = await journal.read(0);
  if (!read.ok) throw new Error(JSON.stringify(read.error));
  const broken = verifyChain(read.value, sha256Hex);
  if (broken !== null) throw new Error(JSON.stringify(broken));
  const hosts = foldEntries(read.value).rollout?.hosts.size;
  return `${hosts} hosts folded`;
}

async function asker(): Promise<(path: string) => Promise<unknown>> {
  const signed = await signIn({ credentials, endpoints: {} });
  if (!signed.ok) throw new Error(signed.error);
  const headers = await signed.value.client.getRequestHeaders();
  return async (path) => {
    const response = await fetch(`${url}${path}`, { headers });
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response.json();
  };
}

/** Every page, and nothing made of it: the least that a script of one's own would do. */
async function plainList(): Promise<string> {
  const ask = await asker();
  let vms = 0;
  for (let token: string | undefined = ''; token !== undefined; ) {
    const path = `/compute/v1/projects/sandbox/aggregated/instances?maxResults=500&returnPartialSuccess=true&pageToken=${token}`;
    const page = (await ask(path)) as {
      readonly items?: Readonly<Record<string, { readonly instances?: readonly unknown[] }>>;
      readonly nextPageToken?: string;
    };
    for (const zone of Object.values(page.items ?? {})) vms += zone.instances?.length ?? 0;
    token = page.nextPageToken;
  }
  return `${vms} VMs`;
}

/** Each entry by itself, unchecked. */
async function plainReplay(): Promise<string> {
  const ask = await asker();
  const names: string[] = [];
  for (let token: string | undefined = ''; token !== undefined; ) {
    const page = (await ask(`/storage/v1/b/${bucket}/o?prefix=journal/&pageToken=${token}`)) as {
      readonly items?: readonly { readonly name: string }[];
      readonly nextPageToken?: string;
    };
    names.push(...(page.items ?? []).map(({ name }) => name).filter((name) => /\/\d{12}\.json$/.test(name)));
    token = page.nextPageToken;
  }
  const left = [...names];
  const one = async (): Promise<void> => {
    for (let name = left.pop(); name !== undefined; name = left.pop())
      await ask(`/storage/v1/b/${bucket}/o/${encodeURIComponent(name)}?alt=media`);
  };
  await Promise.all(Array.from({ length: 32 }, one));
  return `${names.length} entries`;
}

const works: Readonly<Record<string, () => Promise<string>>> = {
  plan,
  replay,
  'plain-list': plainList,
  'plain-replay': plainReplay,
};
const run = works[work];
if (run === undefined) throw new Error(`no work is called ${work}`);
const began = performance.now();
const note = await run();
const wallMs = performance.now() - began;
const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
const result: ChildResult = {
  wallMs,
  cpuMs: (userCPUTime + systemCPUTime) / 1_000,
  peakMb: Math.round(maxRSS / 1_024),
  note,
};
process.stdout.write(`${JSON.stringify(result)}\n`);
