import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHostPrograms } from '../../src/adapters/ssh/programs.ts';
import { inspectionOf, outcomeOf } from '../../src/domain/host-answer.ts';
import type { HostOrder } from '../../src/domain/host-order.ts';
import { makePackage, ShimHost } from './shim-host.ts';

const old = makePackage('5.9.1-1.linux');
const fresh = makePackage('5.10.2-1.linux');
const QUICK = { proveMs: 0 };

let host: ShimHost;
beforeEach(() => {
  host = new ShimHost();
});
afterEach(() => {
  host.remove();
});

/** Asks until nobody else is at work: an installer that outlived its program still holds the lock. */
async function settled(order: HostOrder) {
  for (let attempt = 0; attempt < 40; attempt += 1) {
    const outcome = outcomeOf(order, await host.run(order));
    if (outcome.kind !== 'blocked' || outcome.why !== 'busy') return outcome;
  }
  throw new Error('still busy after 40 attempts');
}

async function expectRunning(made: typeof old): Promise<void> {
  expect(await host.state()).toEqual({
    running: made.ref.executableSha256,
    installed: made.ref.executableSha256,
    version: `install installed ${made.ref.packageVersion}`,
    unit: 'active enabled',
  });
  expect(host.files('var/lib/rollout/packages').filter((name) => name.startsWith('.'))).toEqual([]);
  expect(host.files('home/ops/.cache/rollout')).toEqual([]);
  expect(host.files('var/lib/rollout/orders')).toEqual(['r-1']);
}

// Every line of the answer, and a spread over the time an upgrade takes here, by the program alone and with all its children.
const moments = [
  ...[1, 2, 3, 4, 5, 6, 7, 8].map((line) => ({ killAfterSteps: line })),
  ...Array.from({ length: 10 }, (_, index) => ({ killAfterMs: 30 + index * 45 })),
];

describe('killed and run again', () => {
  it.each(moments)('an upgrade killed at %j converges, and so does its revert', async (moment) => {
    const killAll = ('killAfterMs' in moment ? moment.killAfterMs : moment.killAfterSteps) % 2 === 0;
    await host.install(old);
    host.deliver(fresh, old);
    const upgrade = host.order('upgrade', fresh, old, QUICK);
    const revert = host.order('revert', fresh, old, QUICK);
    await host.run(upgrade, { ...moment, killAll });

    const prove = host.prove(fresh);
    const inspected = inspectionOf(prove, await host.run(prove), old.ref);
    if (inspected.kind === 'still-previous') await expectVersion(old);
    if (inspected.kind === 'verified') await expectVersion(fresh);

    // What was consumed before the kill is kept on the host; what was not has to be delivered again.
    host.deliver(fresh, old);
    expect(await settled(upgrade)).toMatchObject({ kind: 'verified', service: 'running' });
    await expectRunning(fresh);

    await host.run(revert, { ...moment, killAll });
    expect(await settled(revert)).toMatchObject({ kind: 'reverted', service: 'running' });
    await expectRunning(old);
  });

  it('an upgrade killed half-way is reverted to where it came from, a stopped service stopped', async () => {
    await host.install(old);
    await host.command('systemctl stop osqueryd');
    const pushy = makePackage('5.10.3-1.linux', { postinst: 'systemctl start osqueryd; sleep 5' });
    host.deliver(pushy, old);
    // Killed while the package's script has the service already started.
    await host.run(host.order('upgrade', pushy, old, QUICK), { killAfterMs: 1200, killAll: true });
    expect(await settled(host.order('revert', pushy, old, QUICK))).toMatchObject({
      kind: 'reverted',
      service: 'left-stopped',
    });
    expect(await host.state()).toMatchObject({ running: '', unit: 'inactive enabled' });
  });

  it('a program whose text was cut on the way does nothing', async () => {
    await host.install(old);
    host.deliver(fresh, old);
    const before = await host.state();
    // With and without what it brings along: nothing in it is run before its last line is there.
    for (const program of ['upgrade', 'revert'] as const) {
      const text = await createHostPrograms().text(program);
      for (const share of [0.02, 0.3, 0.5, 0.8, 0.93, 0.99]) {
        writeFileSync(host.path('cut'), text.slice(0, Math.floor(text.length * share)));
        const said = await host.command(
          'sh -s -- package=osquery <"$ROLLOUT_ROOT/cut" 2>/dev/null || true; find "$ROLLOUT_ROOT/var/lib" -name rollout',
        );
        expect(said).toBe('');
      }
    }
    expect(await host.state()).toEqual(before);
  });
});

async function expectVersion(made: typeof old): Promise<void> {
  expect(await host.state()).toMatchObject({ running: made.ref.executableSha256 });
}
