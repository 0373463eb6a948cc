/** The way back does not depend on a delivery: the host may keep what it needs, and only it can say. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HostOrder, PackageRef } from '../../../src/domain/host-order.ts';
import {
  answering,
  type FakeSshOptions,
  type FakeSshServer,
  startFakeSshServer,
} from '../../fakes/ssh-server.ts';
import { at, bytesSource, createRig, job, LOOK, type Rig } from './ssh-rig.ts';

const bytes = Buffer.from('a package');
const sha256 = 'a'.repeat(64);
const packages = [bytesSource(bytes, sha256)];
const ref: PackageRef = {
  sha256,
  size: bytes.length,
  packageVersion: '5.10.1',
  executablePath: '/opt/osquery/bin/osqueryd',
  executableSha256: 'b'.repeat(64),
};
const change = {
  agent: LOOK.agent,
  orderId: 'r-1',
  environment: 'gstg',
  fence: 1,
  target: { ...ref, packageVersion: '5.10.2' },
  previous: ref,
  proveMs: 0,
  lockTimeoutS: 0,
};
const revert: HostOrder = { ...change, program: 'revert' };
const upgrade: HostOrder = { ...change, program: 'upgrade' };

let rig: Rig;
let server: FakeSshServer;
beforeEach(() => {
  rig = createRig();
});
afterEach(async () => {
  await rig.remove();
  await server.close();
});

async function run(order: HostOrder, options: FakeSshOptions) {
  server = await startFakeSshServer(options);
  rig.trust(server.knownHostsLine('127.0.0.1'));
  return rig.remote().run(at(server.port), job({ order, packages }));
}

describe('a revert whose package cannot be delivered', () => {
  it('is run all the same, with what the host keeps', async () => {
    const answer = await run(revert, { sftp: 'reject', command: answering(['{"step":"end","ok":true}']) });
    expect(answer).toMatchObject({ kind: 'answered', exitCode: 0 });
    expect(server.commands[0]).not.toContain('incoming');
  });

  it('tells why it was not delivered where the host keeps none', async () => {
    const lines = ['{"step":"stage","ok":false,"message":"neither kept nor delivered"}'];
    const answer = await run(revert, { sftp: 'reject', command: answering(lines, 72) });
    expect(answer).toMatchObject({ kind: 'no-answer', why: 'delivery-failed' });
  });
});

describe('an upgrade whose package cannot be delivered', () => {
  it('is not begun: its way back would not be there', async () => {
    expect(await run(upgrade, { sftp: 'reject' })).toMatchObject({
      kind: 'no-answer',
      why: 'delivery-failed',
    });
    expect(server.commands).toEqual([]);
  });
});
