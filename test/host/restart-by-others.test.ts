/** Configuration management restarts the service when it likes: what lies between stop and start is neither a stop nor a crash. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { outcomeOf } from '../../src/domain/host-answer.ts';
import type { HostOrder } from '../../src/domain/host-order.ts';
import { makePackage, ShimHost } from './shim-host.ts';

const old = makePackage('5.9.1-1.linux');
const fresh = makePackage('5.10.2-1.linux');
const UNIT = 'run/systemd-shim/osqueryd';

let host: ShimHost;
beforeEach(async () => {
  host = new ShimHost();
  await host.install(old);
  host.deliver(fresh, old);
});
afterEach(() => {
  host.remove();
});

/** What systemd says while it waits for the daemon to end: up to TimeoutStopSec, 15 s for osquery. */
function isStopping(): void {
  const unit = readFileSync(host.path(UNIT), 'utf8');
  writeFileSync(
    host.path(UNIT),
    unit.replace(/^active=.*$/m, 'active=deactivating').replace(/^sub=.*$/m, 'sub=stop-sigterm'),
  );
}

async function run(order: HostOrder) {
  return outcomeOf(order, await host.run(order));
}

describe('a restart by somebody else', () => {
  it('that is under way when an upgrade begins does not make the service one that was stopped', async () => {
    isStopping();
    const upgrade = run(host.order('upgrade', fresh, old));
    await host.command('sleep 1; systemctl start osqueryd');
    expect(await upgrade).toMatchObject({ kind: 'verified', service: 'running' });
    expect(await host.state()).toMatchObject({ running: fresh.ref.executableSha256, unit: 'active enabled' });
  });

  it('in the middle of a proof is waited for, and the new process proven', async () => {
    expect(await run(host.order('upgrade', fresh, old))).toMatchObject({ kind: 'verified' });
    const prove = run({ ...host.prove(fresh), proveMs: 3_000 } as HostOrder);
    await host.command('sleep 0.7');
    isStopping();
    await host.command('sleep 1; systemctl start osqueryd');
    expect(await prove).toMatchObject({ kind: 'verified', service: 'running' });
  });
});

describe('a stop by somebody', () => {
  it('that takes its time still is one', async () => {
    isStopping();
    const upgrade = run(host.order('upgrade', fresh, old));
    await host.command('sleep 1; systemctl stop osqueryd');
    expect(await upgrade).toMatchObject({ kind: 'verified', service: 'left-stopped' });
    expect(await host.state()).toMatchObject({ running: '', unit: 'inactive enabled' });
  });
});
