import { execFileSync } from 'node:child_process';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  describeOrder,
  hostCommandLine,
  orderParameters,
  singleQuoted,
} from '../../src/domain/host-command.ts';
import type { HostOrder, PackageRef } from '../../src/domain/host-order.ts';

const agent = { package: 'osquery', service: 'osqueryd', executable: '/opt/osquery/bin/osqueryd' };
const target: PackageRef = {
  sha256: 'a1',
  size: 10,
  packageVersion: '5.10.2-1.linux',
  executablePath: '/opt/osquery/bin/osqueryd',
  executableSha256: 'a2',
};
const previous: PackageRef = {
  ...target,
  sha256: 'b1',
  size: 9,
  packageVersion: '5.9.1-1.linux',
  executableSha256: 'b2',
};
const upgrade: HostOrder = {
  program: 'upgrade',
  agent,
  orderId: 'r-1',
  environment: 'gstg',
  fence: 7,
  target,
  previous,
  proveMs: 5000,
  lockTimeoutS: 60,
};

describe('the command line of a host order', () => {
  it('look is given the agent and nothing else', () => {
    expect(hostCommandLine({ program: 'look', agent })).toBe(
      "sudo -n sh -s -- 'package=osquery' 'service=osqueryd' 'executable=/opt/osquery/bin/osqueryd'",
    );
  });

  it('whoever asks for an instance id has the host asked for it by every program', () => {
    const orders: HostOrder[] = [
      { program: 'look', agent },
      { program: 'prove', agent, orderId: 'r-1', target, proveMs: 20 },
      upgrade,
      { ...upgrade, program: 'revert' },
    ];
    for (const order of orders) {
      const words = orderParameters({ ...order, instanceId: '18446744073709551615' });
      expect(words.filter((word) => word === 'instance_id=18446744073709551615')).toHaveLength(1);
      expect(words.filter((word) => !word.startsWith('instance_id='))).toEqual(orderParameters(order));
    }
  });

  it('upgrade is given both packages, the fence, and the folder of what was delivered', () => {
    expect(orderParameters(upgrade, { incoming: '/home/deploy/.cache/rollout' })).toEqual([
      'package=osquery',
      'service=osqueryd',
      'executable=/opt/osquery/bin/osqueryd',
      'order=r-1',
      'environment=gstg',
      'fence=7',
      'target_sha256=a1',
      'target_size=10',
      'target_version=5.10.2-1.linux',
      'target_exe=/opt/osquery/bin/osqueryd',
      'target_exe_sha256=a2',
      'previous_sha256=b1',
      'previous_size=9',
      'previous_version=5.9.1-1.linux',
      'previous_exe=/opt/osquery/bin/osqueryd',
      'previous_exe_sha256=b2',
      'prove_ms=5000',
      'lock_timeout_s=60',
      'incoming=/home/deploy/.cache/rollout',
    ]);
  });

  it('revert is given the same as upgrade, without a folder when nothing was delivered', () => {
    expect(orderParameters({ ...upgrade, program: 'revert' })).toEqual(orderParameters(upgrade));
    expect(orderParameters(upgrade).some((word) => word.startsWith('incoming='))).toBe(false);
  });

  it('prove is given the order and the target alone', () => {
    expect(orderParameters({ program: 'prove', agent, orderId: 'r-1', target, proveMs: 20 })).toEqual([
      'package=osquery',
      'service=osqueryd',
      'executable=/opt/osquery/bin/osqueryd',
      'order=r-1',
      'target_sha256=a1',
      'target_size=10',
      'target_version=5.10.2-1.linux',
      'target_exe=/opt/osquery/bin/osqueryd',
      'target_exe_sha256=a2',
      'prove_ms=20',
    ]);
  });

  it('a dry run shows the programs and the whole line', () => {
    expect(describeOrder({ program: 'look', agent })).toBe(
      `cat lib.sh lib-change.sh look.sh | ${hostCommandLine({ program: 'look', agent })}`,
    );
  });

  it('a value with shell syntax stays one literal word', () => {
    const order: HostOrder = { program: 'look', agent: { ...agent, package: "x'; rm -rf $HOME `id` \\ #" } };
    expect(hostCommandLine(order)).toContain(`'package=x'\\''; rm -rf $HOME \`id\` \\ #'`);
  });

  it('a line feed or NUL in a value is refused, since not every login shell can quote it', () => {
    for (const bad of ['a\nb', 'a\0b', 'a\rb']) {
      expect(() => hostCommandLine({ program: 'look', agent: { ...agent, service: bad } })).toThrow(
        /service holds/,
      );
    }
  });

  it('any text that is quoted comes out of a real shell as it went in', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 20 }), (raw) => {
        const texts = raw.map((text) => text.replaceAll('\0', ''));
        const out = execFileSync('sh', ['-c', `printf '%s\\0' ${texts.map(singleQuoted).join(' ')}`], {
          encoding: 'utf8',
        });
        expect(out.split('\0').slice(0, texts.length)).toEqual(texts);
      }),
      { numRuns: 40 },
    );
  });
});
