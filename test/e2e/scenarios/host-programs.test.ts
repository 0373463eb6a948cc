/** Host programs by themselves, on a real host in a state that no command line brings about. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createHostPrograms } from '../../../src/adapters/ssh/programs.ts';
import type { HostAnswer } from '../../../src/domain/host-answer.ts';
import { orderParameters, singleQuoted } from '../../../src/domain/host-command.ts';
import type { HostOrder, HostStep } from '../../../src/domain/host-order.ts';
import { lifecycleOutcomeOf } from '../../../src/domain/lifecycle-answer.ts';
import { bootFleet, type Fleet } from '../rig/fleet.ts';
import type { RigHost } from '../rig/host.ts';

const AGENT = { package: 'osquery', service: 'osqueryd', executable: '/opt/osquery/bin/osqueryd' };
const COMMON = {
  program: 'service',
  agent: AGENT,
  now: false,
  commands: [],
  starters: [],
  proveMs: 500,
} as const;
const START: HostOrder = { ...COMMON, verb: 'start', brake: 'none' };
const STOP: HostOrder = {
  ...COMMON,
  verb: 'stop',
  brake: 'mask',
  hold: {
    actionId: 'a-1',
    environment: 'gstg',
    by: 'ops@laptop',
    reason: "it's eating",
    since: 1e12,
    until: 2e12,
  },
};

let fleet: Fleet;
let host: RigHost;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rollout-programs-'));
  fleet = await bootFleet({ hosts: [{ name: 'web-1', environment: 'gstg', role: 'web', zone: 'z-a' }] });
  host = fleet.host('web-1');
  const file = join(folder, 'service.sh');
  await writeFile(file, await createHostPrograms().text('service'));
  await host.put(file, '/root/service.sh');
});

beforeEach(async () => {
  expect((await carry(START)).answer.exitCode).toBe(0);
});

afterAll(async () => {
  await fleet?.down();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

async function carry(order: HostOrder) {
  const words = orderParameters(order).map(singleQuoted).join(' ');
  const ran = await host.exec(`sh /root/service.sh ${words}`, 120_000);
  const steps = ran.stdout
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as HostStep);
  const answer: HostAnswer = { exitCode: ran.code ?? -1, steps, stderr: ran.stderr };
  return { answer, outcome: lifecycleOutcomeOf(order, answer) };
}

const processes = async () =>
  (await host.exec('pgrep --count --exact --runstates DRS osqueryd')).stdout.trim();

describe('a stop', () => {
  it('ends the agent where PID 1 is stuck, says so, and is lifted as any other once PID 1 is there again', async () => {
    const first = await host.bootMark();
    if (first === undefined) throw new Error('web-1 is off');
    process.kill(first, 'SIGSTOP');
    try {
      const { outcome } = await carry(STOP);
      expect(outcome).toMatchObject({
        kind: 'proven',
        service: 'stopped',
        held: true,
        notes: [expect.stringContaining('systemd does not answer on this host')],
      });
      expect(await processes()).toBe('0');
    } finally {
      process.kill(first, 'SIGCONT');
    }
    expect((await carry(STOP)).outcome).toMatchObject({ kind: 'proven', notes: [] });
    expect(await host.running()).toMatchObject({ active: 'inactive', enabled: 'masked', processes: 0 });
    expect((await carry(START)).outcome).toMatchObject({ kind: 'proven', service: 'running' });
    expect(await host.running()).toMatchObject({ active: 'active', enabled: 'enabled', processes: 2 });
  });

  it.each([
    ['on the disk', '/var/lib/rollout/hold'],
    ['in memory, since the disk is full', '/run/rollout/hold'],
  ])('whose hold is %s is lifted by the commands in it, typed as they stand', async (_, file) => {
    if (file.startsWith('/run')) await host.fillDisk();
    try {
      expect((await carry(STOP)).outcome).toMatchObject({ kind: 'proven', service: 'stopped', held: true });
    } finally {
      await host.emptyDisk();
    }
    expect(await host.running()).toMatchObject({ active: 'inactive', processes: 0 });
    const text = await host.sh(`cat ${file}`);
    const commands = (text.split('as root on this host:\n')[1] ?? '').match(/(?<=^# {3}).*/gmu) ?? [];
    for (const command of commands) await host.sh(command);
    expect(await host.running()).toMatchObject({ active: 'active', enabled: 'enabled', processes: 2 });
    expect(await host.sh('ls /var/lib/rollout /run/rollout')).not.toContain('hold');
  });
});
