/** A host may answer anything. It may spoil its own part, and nothing else. */
import { describe, expect, it } from 'vitest';
import { outcomeOf } from '../../src/domain/host-answer.ts';
import type { HostOrder, HostStep } from '../../src/domain/host-order.ts';
import { preparePlan } from '../../src/engine/prepare-plan.ts';
import type { Remote } from '../../src/ports/remote.ts';
import { makeWorld, NEW, type Process, someHosts } from './world.ts';

/** h1's look says this. */
function lying(process: Process, said: Record<string, unknown>): Process {
  const { remote } = process.context;
  const run: Remote['run'] = async (host, job, signal) => {
    const answer = await remote.run(host, job, signal);
    if (host.name !== 'h1' || answer.kind !== 'answered') return answer;
    const steps = answer.steps.map((step): HostStep => (step.step === 'look' ? { ...step, ...said } : step));
    return { ...answer, steps };
  };
  return { ...process, context: { ...process.context, remote: { ...remote, run } } };
}

async function planWith(said: Record<string, unknown>) {
  const world = makeWorld({ hosts: someHosts(4) });
  const { context } = lying(world.process(), said);
  const prepared = await world.clock.run(preparePlan(context, { version: NEW, quarantine: [] }));
  if (!prepared.ok) throw new Error(prepared.error.message);
  return prepared.value;
}

describe('a look that lies', () => {
  for (const architecture of ['constructor', '__proto__', 'toString', 'riscv64']) {
    it(`about its architecture (${architecture}) leaves out that host alone`, async () => {
      const { plan } = await planWith({ architecture });
      expect(plan.leftOut.map(({ name }) => name)).toEqual(['h1']);
      expect(plan.waves.flatMap(({ hosts }) => hosts)).toHaveLength(3);
    });
  }

  for (const [what, said] of [
    ['a version that would write to the screen', { packageVersion: '5.10.1\u001b[2J\u001b]0;x\u0007' }],
    ['a version of a megabyte', { packageVersion: '1'.repeat(1_000_000) }],
    ['an architecture that would write to the screen', { architecture: 'amd64\u001b[31m' }],
  ] as const) {
    it(`with ${what} is not understood, and goes no further`, async () => {
      const { plan } = await planWith(said);
      expect(plan.leftOut).toMatchObject([{ name: 'h1', why: { kind: 'unreachable' } }]);
      const [left] = plan.leftOut;
      const why = left?.why.kind === 'unreachable' ? left.why.why : '';
      expect(why.length).toBeLessThan(1_000);
      expect(why).toMatch(/^[\u0020-\u007e]+$/);
    });
  }
});

describe('a failure as a host tells it', () => {
  const order: HostOrder = {
    program: 'prove',
    agent: { package: 'osquery', service: 'osqueryd', executable: '/opt/osquery/bin/osqueryd' },
    orderId: 'r-1',
    target: {
      sha256: 'a'.repeat(64),
      size: 1,
      packageVersion: '5.10.2',
      executablePath: '/opt/osquery/bin/osqueryd',
      executableSha256: 'b'.repeat(64),
    },
    proveMs: 0,
  };
  const begin: HostStep = { step: 'begin', ok: true };

  it('has a step and a message that are text: no control characters, no direction marks, bounded', () => {
    const steps: HostStep[] = [
      begin,
      { step: `proof\u001b[2J${'x'.repeat(5_000)}`, ok: false, message: `\u001b]52;c;aGk=\u0007 \u202eevil` },
    ];
    const outcome = outcomeOf(order, { exitCode: 78, steps, stderr: '' });
    expect(outcome.kind).toBe('failed');
    const text = JSON.stringify(outcome);
    expect(text.length).toBeLessThan(2_000);
    expect(text).not.toMatch(/\\u001b|\\u0007|\u202e/u);
  });
});
