/** The host-wide lock lasts as long as the installer, and no longer: nothing that a package starts may keep it. */
import { existsSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { outcomeOf } from '../../src/domain/host-answer.ts';
import { makePackage, ShimHost } from './shim-host.ts';

const old = makePackage('5.9.1-1.linux');

/** As an init script without systemd does it: a daemon of the package's own, with all that it inherited. */
const LEAVES_DAEMON = 'sleep 60 </dev/null >/dev/null 2>&1 & echo $! >"$ROLLOUT_ROOT/daemon.pid"';

let host: ShimHost;
beforeEach(() => {
  host = new ShimHost();
});
afterEach(() => {
  const file = host.path('daemon.pid');
  if (existsSync(file)) process.kill(Number(readFileSync(file, 'utf8')));
  host.remove();
});

describe('a package that leaves a daemon of its own behind', () => {
  // apt closes what it does not know before it runs dpkg; dpkg itself hands everything on.
  it.each([
    ['installed by apt', {}],
    [
      'installed by dpkg',
      { 'apt-get': `echo "E: Unmet dependencies. Try 'apt --fix-broken install'"; exit 100` },
    ],
  ])('is taken back all the same (%s)', async (_, tools) => {
    const leaves = makePackage('5.10.2-1.linux', { postinst: LEAVES_DAEMON });
    await host.install(old);
    host.deliver(leaves, old);
    const upgrade = host.order('upgrade', leaves, old);
    expect(outcomeOf(upgrade, await host.run(upgrade, { tools }))).toMatchObject({ kind: 'verified' });
    expect(existsSync(host.path('daemon.pid'))).toBe(true);
    const revert = host.order('revert', leaves, old);
    expect(outcomeOf(revert, await host.run(revert, { tools }))).toMatchObject({ kind: 'reverted' });
  });
});

describe('an installer whose program was killed', () => {
  it('still holds the lock until it has ended', async () => {
    const slow = makePackage('5.10.3-1.linux', { postinst: 'sleep 3' });
    await host.install(old);
    host.deliver(slow, old);
    const upgrade = host.order('upgrade', slow, old);
    const { child, answer } = host.start(upgrade, { killAfterMs: 900 });
    await answer;
    expect(child.signalCode).toBe('SIGKILL');
    const revert = host.order('revert', slow, old);
    expect(outcomeOf(revert, await host.run(revert))).toMatchObject({ kind: 'blocked', why: 'busy' });
  });
});
