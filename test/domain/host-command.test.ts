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

  it('an upgrade that is armed is given the time, what calls it off, the guard, and what may become of the database', () => {
    const order: HostOrder = {
      ...upgrade,
      arm: { revertAfterS: 7200, disarm: 'after-soak', guardCpuPercent: 20, guardMemoryBytes: 300_000_000 },
      database: { policy: 'move-aside', path: '/var/osquery/osquery.db' },
    };
    expect(orderParameters(order).slice(orderParameters(upgrade).length)).toEqual([
      'revert_after_s=7200',
      'disarm=after-soak',
      'guard_cpu_percent=20',
      'guard_memory_bytes=300000000',
      'database=move-aside',
      'database_path=/var/osquery/osquery.db',
    ]);
    // A revert arms nothing.
    expect(orderParameters({ ...order, program: 'revert' }).slice(-2)).toEqual([
      'database=move-aside',
      'database_path=/var/osquery/osquery.db',
    ]);
    expect(orderParameters({ ...order, program: 'revert' }).join()).not.toContain('revert_after_s');
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

  const service: HostOrder = {
    program: 'service',
    agent,
    verb: 'stop',
    now: false,
    brake: 'mask',
    proveMs: 3000,
    starters: ['chef-client', 'unit:vendor.timer'],
    commands: [
      { name: 'chef', when: 'chef-client', words: ['chef-client-disable', 'CPU by ada'], timeoutS: 30 },
      { name: 'all', when: 'always', words: ['/bin/true', ''], timeoutS: 5 },
    ],
    hold: {
      actionId: 'stop-1',
      environment: 'gprd',
      by: 'ada@ops-1',
      reason: "it's the CPU",
      since: 1_000,
      until: 2_000,
    },
  };
  const words = (order: HostOrder): readonly string[] => orderParameters(order).slice(3);

  it('status is given how long to measure and whom to look for', () => {
    expect(
      words({ program: 'status', agent, sampleMs: 250, starters: ['unit:a.timer', 'chef-client'] }),
    ).toEqual(['sample_ms=250', 'starter=unit:a.timer', 'starter=chef-client']);
  });

  it('service is given the hold, and each controller with its words behind it', () => {
    expect(words(service)).toEqual([
      'verb=stop',
      'now=false',
      'brake=mask',
      'prove_ms=3000',
      'starter=chef-client',
      'starter=unit:vendor.timer',
      'hold_action=stop-1',
      'hold_environment=gprd',
      'hold_by=ada@ops-1',
      "hold_reason=it's the CPU",
      'hold_since=1000',
      'hold_until=2000',
      'controller=chef',
      'controller_when=chef-client',
      'controller_timeout_s=30',
      'controller_word=chef-client-disable',
      'controller_word=CPU by ada',
      'controller=all',
      'controller_when=always',
      'controller_timeout_s=5',
      'controller_word=/bin/true',
      'controller_word=',
    ]);
    const { hold: _none, ...bare } = service;
    expect(words({ ...bare, commands: [] }).some((word) => /^(hold|controller)/.test(word))).toBe(false);
  });

  it('install and remove are given the action, and what they are about', () => {
    const named = { agent, orderId: 'install-1', environment: 'gprd', fence: 7, lockTimeoutS: 60 };
    expect(words({ ...named, program: 'install', target, proveMs: 20 })).toEqual([
      'order=install-1',
      'environment=gprd',
      'fence=7',
      'target_sha256=a1',
      'target_size=10',
      'target_version=5.10.2-1.linux',
      'target_exe=/opt/osquery/bin/osqueryd',
      'target_exe_sha256=a2',
      'prove_ms=20',
      'lock_timeout_s=60',
    ]);
    expect(
      words({ ...named, program: 'remove', purge: true, purgePaths: ['/var/osquery', '/var/log/osquery'] }),
    ).toEqual([
      'order=install-1',
      'environment=gprd',
      'fence=7',
      'lock_timeout_s=60',
      'purge=true',
      'purge_path=/var/osquery',
      'purge_path=/var/log/osquery',
    ]);
  });

  it('no reason is refused: what no shell could quote becomes a blank, what is too long is cut', () => {
    if (service.program !== 'service' || service.hold === undefined) throw new Error('another order');
    const hold = { ...service.hold, by: 'a\u0000b', reason: `one\ntwo\u2028${'\u{1f600}'.repeat(2_000)}` };
    const commands = [{ name: 'chef', when: 'always', words: ['off', 'x\r\ny'], timeoutS: 1 }] as const;
    const given = words({ ...service, hold, commands });
    expect(given).toContain('hold_by=a b');
    expect(given).toContain(`hold_reason=one two ${'\u{1f600}'.repeat(992)}`);
    expect(given).toContain('controller_word=x  y');
    expect(() => words({ ...service, hold: { ...hold, environment: 'a\nb' } })).toThrow(
      /hold_environment holds/,
    );
    expect(() => words({ ...service, commands: [{ ...commands[0], name: 'a\nb' }] })).toThrow(
      /controller holds/,
    );
  });

  it('a dry run shows the programs and the whole line', () => {
    expect(describeOrder(upgrade)).toContain('upgrade.sh (and revert.sh) | sudo -n sh -s');
    expect(describeOrder({ program: 'look', agent })).toBe(
      `cat lib.sh lib-change.sh lib-armed.sh look.sh | ${hostCommandLine({ program: 'look', agent })}`,
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
