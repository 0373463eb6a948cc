/** A host whose time comes while it is asked what it runs. */
import { describe, expect, it } from 'vitest';
import { outcomeOf } from '../../src/domain/host-answer.ts';
import type { HostOrder, HostStep } from '../../src/domain/host-order.ts';

const target = {
  sha256: 'b'.repeat(64),
  size: 10,
  packageVersion: '5.10.2-1.linux',
  executablePath: '/opt/osquery/bin/osqueryd',
  executableSha256: 'd'.repeat(64),
};
const agent = { package: 'osquery', service: 'osqueryd', executable: '/opt/osquery/bin/osqueryd' };
const prove: HostOrder = { program: 'prove', agent, orderId: 'r-1', target, proveMs: 0 };

function answered(...armed: HostStep[]) {
  const [before, ...after] = armed;
  const proof: HostStep = {
    step: 'proof',
    ok: true,
    service: 'running',
    runningSha256: target.executableSha256,
    installedSha256: target.executableSha256,
    packageVersion: target.packageVersion,
  };
  const steps = [
    { step: 'begin', ok: true },
    ...(before === undefined ? [] : [before]),
    proof,
    ...after,
    { step: 'end', ok: true, code: 0 },
  ];
  return { exitCode: 0, steps, stderr: '' };
}

const armed = { step: 'armed', ok: true, order: 'r-1', state: 'armed', msLeft: 900 };
const reverting = { step: 'armed', ok: true, order: 'r-1', state: 'reverting' };

describe('a proof of the new version', () => {
  it('counts no more where the host has begun to go back by itself: it is asked again', () => {
    expect(outcomeOf(prove, answered(armed, reverting))).toMatchObject({ kind: 'blocked', why: 'busy' });
  });

  it('counts where it is still armed, and where another order is what it goes back from', () => {
    expect(outcomeOf(prove, answered(armed, armed))).toMatchObject({ kind: 'verified', armedMs: 900 });
    expect(outcomeOf(prove, answered({ ...reverting, order: 'r-0' }))).toMatchObject({ kind: 'verified' });
  });
});
