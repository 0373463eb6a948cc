/** From what was written to what the engine works with: units, defaults, and playbooks underneath. */
import { describe, expect, it } from 'vitest';
import type { Action } from '../../src/config/schema/playbook.ts';
import { BUILTIN_GATES } from '../../src/domain/builtin-gates.ts';
import type { RolloutPolicy } from '../../src/domain/policy.ts';
import { changed, environmentText, loadFiles } from './some-files.ts';

const steps = (times: Readonly<Record<string, string>>) =>
  ['look', 'deliver', 'upgrade', 'prove']
    .map((run) => {
      const timeout = times[run] === undefined ? '' : `, timeout: ${times[run]}`;
      return `  - { run: ${run}${timeout}${run === 'upgrade' ? ', undo: revert' : ''} }\n`;
    })
    .join('');

async function policyOf(
  more: string,
  playbooks: Readonly<Record<string, string>> = {},
  action: Action = 'upgrade',
): Promise<RolloutPolicy> {
  const files = Object.entries(playbooks).map(([name, text]) => [`playbooks/${name}.yaml`, text] as const);
  const loaded = await loadFiles({
    'environments/lab.yaml': environmentText('lab', more),
    ...Object.fromEntries(files),
  });
  const lab = loaded.environment('lab');
  if (lab.kind !== 'ready') throw new Error(JSON.stringify(lab.problems));
  return lab.forAction(action).policy;
}

const playbook = (action: string, times: Readonly<Record<string, string>>, more = '') =>
  `action: ${action}\ndescription: x\nsteps:\n${steps(times)}${more}`;

describe('an environment that says nothing', () => {
  it('has the defaults that the reference shows', async () => {
    expect(await policyOf('')).toMatchObject({
      agent: {
        package: 'osquery',
        service: 'osqueryd',
        executable: '/opt/osquery/bin/osqueryd',
        process: 'osqueryd',
      },
      waves: {
        strata: ['role', 'machineType', 'os', 'zone'],
        then: [10, 30, 100].map((percent) => ({ kind: 'percent', percent })),
        maxUnavailable: {
          environment: { kind: 'percent', percent: 10 },
          zone: { kind: 'percent', percent: 34 },
          role: { kind: 'count', count: 1 },
        },
      },
      limits: {
        failedHosts: 0,
        unreachableHosts: 0,
        hostDeadlineMs: 600_000,
        retryEveryMs: 30_000,
        rollbackDeadlineMs: 900_000,
      },
      soakMs: 900_000,
      bakeMs: 86_400_000,
      sampleEveryMs: 60_000,
      sampleDelayMs: 30_000,
      proveMs: 10_000,
      approval: 'none',
      stepTimeouts: { lookMs: 60_000, upgradeMs: 900_000, revertMs: 900_000, proveMs: 120_000 },
    });
  });

  it('is watched by every gate that ships', async () => {
    expect((await policyOf('')).gates.map((gate) => gate.name)).toEqual(Object.keys(BUILTIN_GATES));
  });
});

describe('gates', () => {
  it('that ship are changed key by key', async () => {
    const [gate, ...others] = (await policyOf('gates: [{ use: agent-cpu, limit: 0.05, for: 0s }]\n')).gates;
    expect(others).toEqual([]);
    expect(gate).toMatchObject({
      name: 'agent-cpu',
      limit: 0.05,
      forMs: 0,
      windowMs: 300_000,
      unit: 'cores',
    });
    expect(gate?.query).toContain('namedprocess_namegroup_cpu_seconds_total');
  });

  it('of one’s own are taken as they are', async () => {
    const own = `gates:
  - { name: queue, query: 'q{$label=~"$hosts"$matchers}', unit: items, direction: below, limit: 3, window: 2m, for: 90s }
`;
    expect((await policyOf(own)).gates).toEqual([
      {
        name: 'queue',
        query: 'q{$label=~"$hosts"$matchers}',
        unit: 'items',
        direction: 'below',
        limit: 3,
        windowMs: 120_000,
        forMs: 90_000,
      },
    ]);
  });
});

describe('a playbook', () => {
  it('lies under the environment: its waves, soak and gates count where the environment says nothing', async () => {
    const under = {
      upgrade: playbook(
        'upgrade',
        {},
        'soak: 7m\nwaves: { then: ["50%", "100%"], maxUnavailable: { zone: 2 } }\ngates: [{ use: agent-alive }]\n',
      ),
    };
    expect(await policyOf('', under)).toMatchObject({
      soakMs: 420_000,
      gates: [{ name: 'agent-alive' }],
      waves: {
        then: [{ percent: 50 }, { percent: 100 }],
        maxUnavailable: { zone: { count: 2 }, role: { count: 1 } },
      },
    });
    const own = 'soak: 9m\nwaves: { maxUnavailable: { role: 3 } }\ngates: [{ use: agent-cpu }]\n';
    expect(await policyOf(own, under)).toMatchObject({
      soakMs: 540_000,
      gates: [{ name: 'agent-cpu' }],
      waves: {
        then: [{ percent: 50 }, { percent: 100 }],
        maxUnavailable: { zone: { count: 2 }, role: { count: 3 } },
      },
    });
  });

  it('gives the times of its steps; delivery counts as part of the change', async () => {
    const times = { look: '5s', deliver: '30s', upgrade: '2m', prove: '20s' };
    const rollback =
      'action: rollback\ndescription: x\nsteps: [{ run: look }, { run: revert, timeout: 3m }, { run: prove }]\n';
    expect((await policyOf('', { upgrade: playbook('upgrade', times), rollback })).stepTimeouts).toEqual({
      lookMs: 5_000,
      upgradeMs: 150_000,
      revertMs: 210_000,
      proveMs: 20_000,
    });
  });

  it('of canary gives its own times, and those of upgrade where there is none', async () => {
    const both = {
      upgrade: playbook('upgrade', { look: '5s' }),
      canary: playbook('canary', { look: '8s' }, 'soak: 1h\n'),
    };
    expect(await policyOf('', both, 'canary')).toMatchObject({
      soakMs: 3_600_000,
      stepTimeouts: { lookMs: 8_000 },
    });
    expect((await policyOf('', { upgrade: both.upgrade }, 'canary')).stepTimeouts.lookMs).toBe(5_000);
  });
});

describe('the rest of an environment', () => {
  it('is resolved with every unit and place', async () => {
    const text = `${changed('  agent: true', '  agent: true\n  port: 2222\n  jump: [bastion, me@b2, "x@[::1]:2200"]\n  passphraseFile: ../pass')}  username: ops
  passwordEnv: PROM_PASSWORD
  caFile: ../ca.pem
  matchers: ' env="lab" '
  parameters: { dedup: "true" }
freeze:
  - { from: 2026-12-21, until: 2027-01-03, reason: end of year }
targeting:
  exempt: [{ when: 'role == "x"', reason: y, until: 2027-06-30 }]
confirm: type-name
`;
    const loaded = await loadFiles({ 'environments/lab.yaml': text });
    const lab = loaded.environment('lab');
    expect(lab.kind === 'ready' && lab.environment).toMatchObject({
      promotesFrom: null,
      confirm: 'type-name',
      architectures: ['amd64'],
      ssh: {
        port: 2222,
        jump: [
          { user: 'ops', host: 'bastion', port: 22 },
          { user: 'me', host: 'b2', port: 22 },
          { user: 'x', host: '::1', port: 2200 },
        ],
        passphrase: { kind: 'file', path: `${loaded.dir}/pass` },
        connectTimeoutMs: 10_000,
      },
      prometheus: {
        auth: { kind: 'basic', username: 'ops', password: { kind: 'env', name: 'PROM_PASSWORD' } },
        caFile: `${loaded.dir}/ca.pem`,
        matchers: 'env="lab"',
        parameters: { dedup: 'true' },
        timeoutMs: 10_000,
      },
      freeze: [{ from: Date.UTC(2026, 11, 21), until: Date.UTC(2027, 0, 4), reason: 'end of year' }],
      targeting: { include: 'true', exempt: [{ until: Date.UTC(2027, 6, 1) }], eligible: [] },
    });
  });
});
