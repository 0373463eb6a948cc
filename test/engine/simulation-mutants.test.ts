/**
 * The checker must be able to fail: each of these breaks the engine in one place, and the simulation has to notice.
 * Modules are replaced here and nowhere else, since that is what a mutant is.
 */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { HostOrder } from '../../src/domain/host-order.ts';
import type { HostOutcome } from '../../src/domain/host-outcome.ts';
import type { Entry } from '../../src/domain/journal.ts';
import type { EnvironmentState, HostProgress, RolloutState } from '../../src/domain/state.ts';
import { simulate } from './simulation.ts';

const mutant = vi.hoisted(() => ({ name: '' }));

vi.mock('../../src/domain/capacity.ts', async (original) => {
  const real = await original<typeof import('../../src/domain/capacity.ts')>();
  return {
    ...real,
    batchWithin: (rollout: RolloutState, candidates: readonly HostProgress[], most: number) => {
      if (mutant.name === 'no bounds') return candidates.slice(0, most);
      if (mutant.name !== 'bounds of those who are gone') return real.batchWithin(rollout, candidates, most);
      const there = [...rollout.hosts].filter(([, { state }]) => state !== 'gone');
      return real.batchWithin({ ...rollout, hosts: new Map(there) }, candidates, most);
    },
  };
});

vi.mock('../../src/domain/fold.ts', async (original) => {
  const real = await original<typeof import('../../src/domain/fold.ts')>();
  const forgetful = (state: EnvironmentState): EnvironmentState => {
    const { rollout } = state;
    if (mutant.name !== 'forgets touched hosts' || rollout === null) return state;
    const hosts = [...rollout.hosts].map(
      ([id, host]) => [id, { ...host, touched: host.state === 'verified' }] as const,
    );
    return { ...state, rollout: { ...rollout, hosts: new Map(hosts) } };
  };
  return {
    ...real,
    applyEntry: (state: EnvironmentState, entry: Entry) => forgetful(real.applyEntry(state, entry)),
    foldEntries: (entries: readonly Entry[], from?: EnvironmentState) =>
      forgetful(real.foldEntries(entries, from)),
  };
});

vi.mock('../../src/domain/judge.ts', async (original) => {
  const real = await original<typeof import('../../src/domain/judge.ts')>();
  return {
    ...real,
    judge: (input: Parameters<typeof real.judge>[0]) => {
      const judgement = real.judge(input);
      if (mutant.name === 'an error is a fail' && judgement.kind === 'error')
        return { ...judgement, kind: 'fail' as const };
      if (mutant.name === 'no data passes' && judgement.kind === 'inconclusive')
        return { ...judgement, kind: 'pass' as const, observedMs: judgement.to - judgement.from };
      return judgement;
    },
  };
});

vi.mock('../../src/domain/host-answer.ts', async (original) => {
  const real = await original<typeof import('../../src/domain/host-answer.ts')>();
  return {
    ...real,
    outcomeOf: (order: HostOrder, answer: Parameters<typeof real.outcomeOf>[1]): HostOutcome => {
      if (mutant.name === 'believes the exit code' && answer.exitCode === 0 && order.program === 'upgrade') {
        const { executableSha256, packageVersion } = order.target;
        return { kind: 'verified', sha256: executableSha256, packageVersion, service: 'running' };
      }
      return real.outcomeOf(order, answer);
    },
  };
});

vi.mock('../../src/domain/decide-failed.ts', async (original) => {
  const real = await original<typeof import('../../src/domain/decide-failed.ts')>();
  return {
    ...real,
    decideFailed: (...input: Parameters<typeof real.decideFailed>) =>
      mutant.name === 'failed hosts do not matter' ? null : real.decideFailed(...input),
  };
});

vi.mock('../../src/domain/attempts.ts', async (original) => {
  const real = await original<typeof import('../../src/domain/attempts.ts')>();
  return {
    ...real,
    isDue: (...input: Parameters<typeof real.isDue>) =>
      mutant.name === 'retries without a pause' || real.isDue(...input),
  };
});

vi.mock('../../src/domain/armed.ts', async (original) => {
  const real = await original<typeof import('../../src/domain/armed.ts')>();
  return {
    ...real,
    mayHaveGoneBack: (...input: Parameters<typeof real.mayHaveGoneBack>) =>
      mutant.name !== 'takes nobody for gone back' && real.mayHaveGoneBack(...input),
  };
});

vi.mock('../../src/domain/decide-armed.ts', async (original) => {
  const real = await original<typeof import('../../src/domain/decide-armed.ts')>();
  return {
    ...real,
    decideConfirm: (...input: Parameters<typeof real.decideConfirm>) =>
      mutant.name === 'confirms nobody' ? null : real.decideConfirm(...input),
  };
});

vi.mock('../../src/domain/unknown-zones.ts', async (original) => {
  const real = await original<typeof import('../../src/domain/unknown-zones.ts')>();
  return {
    ...real,
    isUnknownPlace: (...input: Parameters<typeof real.isUnknownPlace>) =>
      mutant.name !== 'an unknown zone is empty' && real.isUnknownPlace(...input),
  };
});

vi.mock('../../src/engine/act-on-hosts.ts', async (original) => {
  const real = await original<typeof import('../../src/engine/act-on-hosts.ts')>();
  return {
    ...real,
    actOnHosts: (...[context, ledger, rollout, action, signal]: Parameters<typeof real.actOnHosts>) => {
      const addresses = mutant.name === 'goes to the address of the plan' ? new Map() : action.addresses;
      return real.actOnHosts(context, ledger, rollout, { ...action, addresses }, signal);
    },
  };
});

vi.mock('../../src/engine/meant-instance.ts', async (original) => {
  const real = await original<typeof import('../../src/engine/meant-instance.ts')>();
  return {
    ...real,
    meantInstance: (...input: Parameters<typeof real.meantInstance>) =>
      mutant.name === 'asks nobody who it is' ? {} : real.meantInstance(...input),
  };
});

vi.mock('../../src/engine/join.ts', async (original) => {
  const real = await original<typeof import('../../src/engine/join.ts')>();
  return {
    ...real,
    joinNewcomers: async (...input: Parameters<typeof real.joinNewcomers>) =>
      mutant.name === 'forgets newcomers' ? ({ ok: true, value: [] } as const) : real.joinNewcomers(...input),
  };
});

vi.mock('../../src/domain/newcomers.ts', async (original) => {
  const real = await original<typeof import('../../src/domain/newcomers.ts')>();
  return {
    ...real,
    joinableWave: (rollout: RolloutState): number | null => {
      if (mutant.name === 'takes newcomers into a wave that has begun' && rollout.phase.kind === 'acting')
        return rollout.phase.wave;
      if (mutant.name === 'takes newcomers among the canaries' && rollout.phase.kind === 'planned') return 0;
      return real.joinableWave(rollout);
    },
  };
});

const MOST_SEEDS = 400;

async function firstCaught(): Promise<string> {
  for (let seed = 1; seed <= MOST_SEEDS; seed += 1) {
    const life = await simulate(seed);
    if (life.violations.length > 0) return life.violations.join('\n');
  }
  return '';
}

describe('the simulation notices an engine that', () => {
  afterEach(() => {
    mutant.name = '';
  });

  it.each([
    ['no bounds', /out of service in .*\(2\)/],
    ['bounds of those who are gone', /out of service in .*\(2\)/],
    ['goes to the address of the plan', /no end after/],
    ['asks nobody who it is', /was not asked who it is/],
    ['forgets touched hosts', /forgotten|was not put back/],
    ['an error is a fail', /nothing wrong \(4\)/],
    ['no data passes', /without data \(4\)/],
    ['takes nobody for gone back', /is judged and has gone back before/],
    ['confirms nobody', /would go back by/],
    ['believes the exit code', /counts as verified and runs something else \(7\)/],
    ['failed hosts do not matter', /an upgrade after .* failed \(3\)/],
    ['retries without a pause', /turns in circles/],
    ['an unknown zone is empty', /counts as gone and was never away/],
    ['forgets newcomers', /has come into the fleet and is nowhere/],
    ['takes newcomers into a wave that has begun', /newcomers in wave .*, which has begun/],
    ['takes newcomers among the canaries', /newcomers among the canaries/],
  ] as const)('%s', { timeout: 120_000 }, async (name, noticed) => {
    mutant.name = name;
    expect(await firstCaught()).toMatch(noticed);
  });

  it('nothing of the kind in the engine as it is', { timeout: 120_000 }, async () => {
    expect((await simulate(1)).violations).toEqual([]);
  });
});
