import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inspectionOf, outcomeOf } from '../../src/domain/host-answer.ts';
import { makePackage, type Package, ShimHost } from './shim-host.ts';

const old = makePackage('5.9.1-1.linux');
const fresh = makePackage('5.10.2-1.linux');

let host: ShimHost;
beforeEach(() => {
  host = new ShimHost();
});
afterEach(() => {
  host.remove();
});

async function done(program: 'upgrade' | 'revert', target: Package, more: object = {}) {
  const order = host.order(program, target, old, more);
  const answer = await host.run(order);
  return { answer, outcome: outcomeOf(order, answer) };
}

describe('revert', () => {
  it('takes the kept package when nothing is delivered', async () => {
    await host.install(old);
    host.deliver(fresh, old);
    await done('upgrade', fresh);
    const { outcome } = await done('revert', fresh);
    expect(outcome).toEqual({
      kind: 'reverted',
      sha256: old.ref.executableSha256,
      packageVersion: old.ref.packageVersion,
      service: 'running',
    });
  });

  it('needs no package and restarts nothing where the previous version already runs', async () => {
    await host.install(old);
    const before = await host.command('systemctl show osqueryd -P MainPID');
    const { answer, outcome } = await done('revert', fresh);
    expect(outcome.kind).toBe('reverted');
    expect(answer.steps.find((step) => step.step === 'restart')).toMatchObject({ did: 'nothing' });
    expect(await host.command('systemctl show osqueryd -P MainPID')).toBe(before);
  });

  it('says that the way back is missing, and takes it once delivered', async () => {
    await host.install(old);
    await host.install(fresh);
    expect((await done('revert', fresh)).outcome).toMatchObject({ kind: 'blocked', why: 'missing-package' });
    host.deliver(old);
    expect((await done('revert', fresh)).outcome.kind).toBe('reverted');
  });

  it('does not undo a third version that somebody installed since', async () => {
    await host.install(old);
    host.deliver(fresh, old);
    await done('upgrade', fresh);
    await host.install(makePackage('5.11.0-1.linux'));
    expect((await done('revert', fresh)).outcome).toMatchObject({ kind: 'blocked', why: 'drifted' });
  });

  it('puts back what a package script changed: enabled stays enabled', async () => {
    const rude = makePackage('5.10.3-1.linux', {
      postinst: 'systemctl disable osqueryd; systemctl stop osqueryd',
    });
    await host.install(old);
    host.deliver(rude, old);
    expect((await done('upgrade', rude)).outcome).toMatchObject({ kind: 'verified', service: 'running' });
    expect(await host.state()).toMatchObject({ unit: 'active enabled' });
  });

  it('says what exit status 78 of the old version means, and stays a failure', async () => {
    const stubborn = makePackage('5.9.1-1.linux', { behaviour: 'startfail=78' });
    await host.install(stubborn);
    await host.install(fresh);
    host.deliver(stubborn);
    const order = host.order('revert', fresh, stubborn);
    expect(outcomeOf(order, await host.run(order))).toMatchObject({
      kind: 'failed',
      failure: 'start-failed',
      message: expect.stringContaining('osquery.db'),
    });
  });
});

describe('prove', () => {
  it('proves the target, and changes nothing', async () => {
    await host.install(old);
    host.deliver(fresh, old);
    await done('upgrade', fresh);
    const before = await host.command('systemctl show osqueryd -P MainPID');
    const order = host.prove(fresh);
    expect(outcomeOf(order, await host.run(order))).toMatchObject({ kind: 'verified', service: 'running' });
    expect(await host.command('systemctl show osqueryd -P MainPID')).toBe(before);
  });

  it('says still-previous of a host that was never reached', async () => {
    await host.install(old);
    const order = host.prove(fresh);
    const answer = await host.run(order);
    expect(inspectionOf(order, answer, old.ref)).toEqual({ kind: 'still-previous' });
    expect(inspectionOf(order, answer)).toMatchObject({ kind: 'failed', failure: 'proof-failed' });
  });

  it('does not call a half-done host untouched', async () => {
    await host.install(old);
    await host.install(fresh, 'stopped');
    const order = host.prove(fresh);
    expect(inspectionOf(order, await host.run(order), old.ref)).toMatchObject({
      kind: 'failed',
      failure: 'proof-failed',
      message: expect.stringContaining(old.ref.executableSha256),
    });
  });

  it('tells an operator’s stop from a crash', async () => {
    await host.install(old);
    host.deliver(fresh, old);
    await done('upgrade', fresh);
    await host.command('systemctl stop osqueryd');
    const order = host.prove(fresh);
    const answer = await host.run(order);
    expect(outcomeOf(order, answer)).toMatchObject({ kind: 'failed', failure: 'proof-failed' });
    expect(answer.steps.find((step) => step.step === 'proof')).toMatchObject({ overridden: true });
  });

  it('accepts a service that was stopped before the order, and one that was started since', async () => {
    await host.install(old, 'stopped');
    host.deliver(fresh, old);
    await done('upgrade', fresh);
    const order = host.prove(fresh);
    expect(outcomeOf(order, await host.run(order))).toMatchObject({
      kind: 'verified',
      service: 'left-stopped',
    });
    await host.command('systemctl start osqueryd');
    expect(outcomeOf(order, await host.run(order))).toMatchObject({ kind: 'verified', service: 'running' });
  });
});
