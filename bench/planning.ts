/** Planning 100,000 hosts. Goal: under 1 s, and under 400 MB at the peak of the process. */
import type { ClassifiedHost } from '../src/domain/host.ts';
import { planRollout, type SurveyResult } from '../src/domain/planning.ts';
import { artifactOf } from '../test/fakes/some-artifacts.ts';
import { type BenchRow, measure } from './row.ts';

const HOSTS = 100_000;

export async function benchPlanning(): Promise<BenchRow[]> {
  const old = artifactOf('old', { version: '5.10.1' });
  const fresh = artifactOf('fresh', { version: '5.10.2' });
  const hosts: ClassifiedHost[] = [];
  const survey = new Map<string, SurveyResult>();
  for (let index = 0; index < HOSTS; index += 1) {
    const id = String(4_000_000_000_000_000 + index);
    hosts.push({
      host: {
        id,
        name: `web-${(index * 7_919) % HOSTS}-gprd`,
        address: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
        zone: `us-east1-${'bcd'[index % 3]}`,
        role: `role-${index % 40}`,
        machineType: `n2-standard-${2 ** (index % 4)}`,
        os: 'debian-12',
        status: 'RUNNING',
        labels: {},
        tags: [],
        metadata: {},
        spot: false,
      },
      eligibility: { kind: 'eligible' },
    });
    const agent = { packageVersion: old.control.version, architecture: 'amd64' };
    survey.set(id, { kind: 'surveyed', agent, runsTarget: false });
  }
  const bound = { kind: 'percent', percent: 10 } as const;
  const {
    value: plan,
    wallMs,
    cpuMs,
  } = await measure(() =>
    planRollout({
      hosts,
      survey,
      target: { version: fresh.version, artifacts: { amd64: fresh } },
      staged: [old, fresh],
      policy: {
        strata: ['role', 'machineType', 'zone'],
        then: [
          { kind: 'percent', percent: 5 },
          { kind: 'percent', percent: 25 },
        ],
        maxUnavailable: { environment: bound, zone: bound, role: bound },
      },
    }),
  );
  // maxRSS is of the whole process: what ran before it, and the hosts themselves, are in it.
  const peakMb = Math.round(process.resourceUsage().maxRSS / 1_024);
  const note = `${plan.waves.length} waves, ${plan.waves[0]?.hosts.length ?? 0} canaries, peak RSS ${peakMb} MB (goal 400)`;
  return [{ name: `plan ${HOSTS} hosts`, what: 'planning', wallMs, cpuMs, goalMs: 1_000, note }];
}
