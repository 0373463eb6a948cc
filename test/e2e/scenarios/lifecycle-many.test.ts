/** Twenty hosts stopped and started, again and again; and a host that has only sysvinit. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bootFleet, type Fleet } from '../rig/fleet.ts';
import { FAST, OLD, Scenario, said } from './scenario.ts';

/**
 * Each turn is forty changes of hosts. What a single turn cannot show is what turns before it leave on a host or in the journal; six
 * are enough for that, and 240 changes to meet a host that does not obey. ROLLOUT_RIG_TURNS=20 for a long look.
 */
const TURNS = Number(process.env['ROLLOUT_RIG_TURNS'] ?? 6);

const MANY = 'many';
const OTHER = 'other';
let fleet: Fleet;
let folder: string;

beforeAll(async () => {
  const hosts = Array.from({ length: 20 }, (_, index) => ({
    name: `many-${String(index + 1).padStart(2, '0')}`,
    environment: MANY,
    role: index % 4 === 0 ? 'db' : 'web',
    zone: `us-east1-${'bcd'[index % 3]}`,
  }));
  const sysvinit = {
    name: 'other-1',
    environment: OTHER,
    role: 'web',
    zone: 'us-east1-b',
    init: 'sysvinit',
  } as const;
  fleet = await bootFleet({ hosts: [...hosts, sysvinit], versions: { [OLD]: {} } });
  folder = await mkdtemp(join(tmpdir(), 'rollout-scenario-'));
});

afterAll(async () => {
  await fleet?.down();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

async function scenarioOf(environment: string): Promise<Scenario> {
  const scenario = new Scenario({ fleet, environment, folder });
  await scenario.configure({ ...FAST, lifecycle: { settle: '0s', deadline: '60s', prove: '500ms' } });
  return scenario;
}

/** How many processes of the agent each host has. */
async function agentsOf(environment: string): Promise<string[]> {
  const counted = fleet
    .in(environment)
    .map(async (host) => (await host.exec('pgrep -c -x osqueryd')).stdout.trim());
  return await Promise.all(counted);
}

describe('twenty hosts', () => {
  it(`are stopped and started again, ${TURNS} times over`, async () => {
    const scenario = await scenarioOf(MANY);
    for (let turn = 1; turn <= TURNS; turn += 1) {
      const stopped = await scenario.osqueryd('stop', '--fleet');
      expect(stopped, `turn ${turn}: ${said(stopped)}`).toMatchObject({ code: 0 });
      expect(await agentsOf(MANY), `turn ${turn}`).toEqual(Array.from({ length: 20 }, () => '0'));
      const started = await scenario.osqueryd('start', '--fleet');
      expect(started, `turn ${turn}: ${said(started)}`).toMatchObject({ code: 0 });
      expect(await agentsOf(MANY), `turn ${turn}`).toEqual(Array.from({ length: 20 }, () => '2'));
    }
    const up = Object.values(await fleet.running(MANY));
    expect(up.map(({ active, enabled, version }) => [active, enabled, version])).toEqual(
      up.map(() => ['active', 'enabled', OLD]),
    );
    expect(await scenario.entries('lifecycle-ended')).toHaveLength(2 * TURNS);
  }, 600_000);
});

describe('a host that has only sysvinit', () => {
  it('is shown, stopped, held through an attempt to start it, and started again', async () => {
    const scenario = await scenarioOf(OTHER);
    const host = fleet.host('other-1');
    const agents = async (): Promise<string> => (await host.exec('pgrep -c -x osqueryd')).stdout.trim();
    const status = await scenario.osqueryd('status');
    expect(status, said(status)).toMatchObject({ code: 0 });
    expect(status.stdout).toMatch(/active/u);
    const stopped = await scenario.osqueryd('stop', '--fleet');
    expect(stopped, said(stopped)).toMatchObject({ code: 0 });
    expect(await agents()).toBe('0');
    await host.exec('service osqueryd start');
    expect(await agents()).toBe('0');
    expect(await host.sh('cat /var/lib/rollout/hold')).toContain('osqueryd start');
    const started = await scenario.osqueryd('start', '--fleet');
    expect(started, said(started)).toMatchObject({ code: 0 });
    expect(await agents()).toBe('2');
    const disabled = await scenario.osqueryd('disable', '--fleet');
    expect(disabled, said(disabled)).toMatchObject({ code: 0 });
    expect((await host.exec('ls /etc/rc2.d')).stdout).not.toMatch(/^S\d\dosqueryd$/mu);
    const enabled = await scenario.osqueryd('enable', '--fleet');
    expect(enabled, said(enabled)).toMatchObject({ code: 0 });
    expect((await host.exec('ls /etc/rc2.d')).stdout).toMatch(/^S\d\dosqueryd$/mu);
  });
});
