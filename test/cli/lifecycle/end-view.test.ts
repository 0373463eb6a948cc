/** What stands on the screen when a stop is over: how many, exactly who not, and what to do about each. */
import { describe, expect, it } from 'vitest';
import type { ActionEnd } from '../../../src/cli/render/action-end.ts';
import { actionEndLines } from '../../../src/cli/render/lifecycle-end-view.ts';
import { createPaint } from '../../../src/cli/render/paint.ts';
import type { LifecycleOutcome } from '../../../src/domain/lifecycle.ts';
import type { LifecycleReport } from '../../../src/engine/lifecycle-types.ts';
import { hostReport, NOW, SOME_HOLD, STOPPED, someReport, UNREACHABLE } from './some-reports.ts';

function linesOf(reports: readonly LifecycleReport[], more: Partial<ActionEnd> = {}, width = 100): string[] {
  return actionEndLines(
    {
      verb: 'stop',
      now: false,
      reports,
      notBegun: [],
      notReached: [],
      hold: null,
      typed: 'osqueryd',
      startedAt: NOW,
      tookMs: 38_000,
      ...more,
    },
    createPaint(false, width),
  );
}

describe('the end of a stop', () => {
  it('counts over all environments and by environment', () => {
    const lines = linesOf([
      someReport('gstg', [hostReport('a'), hostReport('b')]),
      someReport('gprd', [hostReport('c'), hostReport('d', UNREACHABLE)]),
    ]);
    expect(lines[0]).toBe('stopped 3/4 hosts in 38s');
    expect(lines).toContain('  gstg  2 of 2');
    expect(lines).toContain('  gprd  1 of 2');
  });

  it('names who is not covered with its reason, what to do, and what to type', () => {
    const text = linesOf([someReport('gprd', [hostReport('c'), hostReport('d', UNREACHABLE)])]).join('\n');
    expect(text).toMatch(/NOT COVERED: 1\n +HOST +ENVIRONMENT +WHY\n +d +gprd +connect timed out/u);
    expect(text).toContain('to do  d: look at the VM');
    expect(text).toContain('next  osqueryd stop --host d');
  });

  it('lists an environment that could not be used, and VMs that are in no list', () => {
    const text = linesOf([someReport('gstg', [hostReport('a')])], {
      notBegun: [{ environment: 'gprd', why: 'gprd.yaml is wrong' }],
      notReached: [{ environment: 'gstg', what: 'newer VMs', why: 'the list is old' }],
    }).join('\n');
    expect(text).toContain('NOT COVERED: 2');
    expect(text).toMatch(/all of it +gprd +gprd\.yaml is wrong/u);
    expect(text).toMatch(/newer VMs +gstg +the list is old/u);
  });

  it('says in its first line which environments the number is of where one was not begun, and what shows more', () => {
    const next = 'rollout config check';
    const lines = linesOf([someReport('gstg', [hostReport('a')])], {
      notBegun: [
        { environment: 'gprd', why: 'invalid: environments/gprd.yaml:46:3: this is not YAML', next },
      ],
    });
    expect(lines[0]).toBe('stopped 1/1 host of gstg (gprd NOT BEGUN) in 38s');
    expect(lines).toContain('  next  rollout config check');
  });

  it('of a lease that was taken says so, and has the history read before anything is tried against it', () => {
    const lines = linesOf(
      [
        someReport('gstg', [hostReport('a'), hostReport('b', UNREACHABLE)], {
          end: 'interrupted',
          why: 'the lease was lost: an emergency stop took it',
        }),
      ],
      { verb: 'restart' },
    );
    expect(lines).toContain('  gstg  1 of 2, INTERRUPTED: the lease was lost: an emergency stop took it');
    expect(lines.slice(-2)).toEqual(['  next  rollout history gstg', '  next  osqueryd restart --host b']);
  });

  it('called off before the second look has all covered, and says what nobody has seen', () => {
    const report = someReport('gstg', [hostReport('a')], { end: 'interrupted' });
    expect(linesOf([report])).toContain(
      '  gstg  1 of 1, called off before the second look: osqueryd status looks',
    );
    expect(linesOf([report], { verb: 'restart' })).toContain(
      '  gstg  1 of 1, INTERRUPTED: nothing new was begun',
    );
  });

  it('counts the time to the last host, and what came behind it apart', () => {
    const hosts = [
      { ...hostReport('a'), at: NOW + 400 },
      { ...hostReport('b'), at: NOW + 1_000 },
    ];
    expect(linesOf([someReport('gstg', hosts)], { tookMs: 11_000 })[0]).toBe(
      'stopped 2/2 hosts in 1.0s (11s in all)',
    );
    const settled = { stayedDown: 2, startedAgain: [], unseen: [] };
    expect(linesOf([someReport('gstg', hosts, { settled })], { tookMs: 31_000 })[0]).toBe(
      'stopped 2/2 hosts in 1.0s (31s with the second look and the record)',
    );
    expect(linesOf([someReport('gstg', hosts)], { tookMs: 1_200 })[0]).toBe('stopped 2/2 hosts in 1.2s');
  });

  it('says of hosts that were called off no more than that nothing was begun there', () => {
    const off = {
      kind: 'no-answer',
      why: 'cancelled',
      message: 'not reached in 4.0 s, then the deadline came',
    } as const;
    const text = linesOf([someReport('gstg', [hostReport('a', off)])]).join('\n');
    expect(text).toContain('to do  a: nothing was begun there: the same command again');
  });

  it('says of a hold that no host has confirmed that it is only wished, who may still run, and how to go on', () => {
    const lines = linesOf(
      [someReport('gprd', [hostReport('web-01', UNREACHABLE)])],
      { hold: SOME_HOLD },
      Number.POSITIVE_INFINITY,
    );
    expect(lines[0]).toBe('stopped 0/1 host in 38s');
    const hold = lines.find((line) => /^ +hold /u.test(line)) ?? '';
    expect(hold).toContain('only WISHED: 1 wished, 0 confirmed: web-01 may still run');
    expect(hold).toContain('the same command again goes on until it is so');
    expect(lines.at(-1)).toBe('  next  osqueryd stop --host web-01');
  });

  it('says which hosts its hold is not known to be on, and of nobody begun on, gone or down without it that it may run', () => {
    const hosts = [
      hostReport('a'),
      hostReport('b', UNREACHABLE),
      hostReport('c', { kind: 'no-answer', why: 'cancelled', message: 'called off' }),
      hostReport('d', { kind: 'gone' }),
      hostReport('e', { kind: 'proven', service: 'stopped', version: '', held: false, notes: [] }),
      hostReport('f', { kind: 'failed', failure: 'still-runs', step: 'stop', message: 'pid 7', held: true }),
    ];
    const told = (some: typeof hosts): string =>
      linesOf([someReport('gprd', some)], { hold: SOME_HOLD }, Number.POSITIVE_INFINITY).find((line) =>
        /^ +hold /u.test(line),
      ) ?? '';
    expect(told(hosts)).toMatch(/ 3 wished, 2 confirmed: b may still run; by ops@laptop, due /u);
    expect(told(hosts.slice(0, 1))).toMatch(/^ +hold +by ops@laptop, due /u);
    expect(told(hosts.slice(2, 4))).toMatch(/^ +hold +on no host /u);
  });

  it('says below its success that it was of what ships, where that was so', () => {
    const reports = [someReport('sandbox-gstg', [hostReport('a')])];
    expect(linesOf(reports, { notOwn: 'NOT YOUR FLEET: x' })).toContain('  note          NOT YOUR FLEET: x');
    expect(linesOf(reports, { notOwn: null }).join('\n')).not.toContain('NOT YOUR FLEET');
  });

  it('tells the second look over all environments in one line', () => {
    const lines = linesOf([
      someReport('gstg', [hostReport('a')], { settled: { stayedDown: 1, startedAgain: [], unseen: [] } }),
      someReport('gprd', [hostReport('b'), hostReport('c')], {
        settled: { stayedDown: 1, startedAgain: [{ id: '2', name: 'c' }], unseen: [] },
      }),
    ]);
    expect(lines).toContain('  second look  stayed down: 2/3; started again: c');
  });

  it('says the same note of 200 hosts once', () => {
    const noted = { ...STOPPED, notes: ['the hold is only in memory: a reboot forgets it'] };
    const many = Array.from({ length: 200 }, (_, n) => hostReport(`h${n}`, noted));
    const text = linesOf([someReport('gprd', many)], {}, Number.POSITIVE_INFINITY).join('\n');
    expect(text.match(/only in memory/gu)).toHaveLength(1);
    expect(text).toContain('(200 hosts: h0, h1, h2 and 197 more)');
  });

  it('says what became of a rollout, of the record and of role files', () => {
    const text = linesOf(
      [
        someReport('gprd', [hostReport('a')], {
          rollout: { id: 'gprd-12', version: '5.10.2', did: 'paused' },
          record: { kind: 'waiting', entries: 3, why: 'the bucket does not answer' },
          roleFiles: [
            { name: 'chef', file: '/r/base.json', result: { kind: 'failed', message: 'no such key' } },
          ],
        }),
      ],
      { hold: SOME_HOLD },
      Number.POSITIVE_INFINITY,
    ).join('\n');
    expect(text).toContain('gprd-12 of 5.10.2 is paused: rollout resume gprd goes on');
    expect(text).toContain(
      '3 entries wait on this machine, since the bucket does not answer; the next command',
    );
    expect(text).toContain('/r/base.json NOT changed: no such key');
    expect(text).toContain('due 2026-11-21 04:12:00Z');
    expect(NOW).toBeLessThan(SOME_HOLD.until);
  });

  it('says of a record that is lost that it is written nowhere', () => {
    const report = someReport('gprd', [hostReport('a')], { record: { kind: 'lost', why: 'disk full' } });
    expect(linesOf([report]).join('\n')).toContain('NOT RECORDED anywhere: disk full');
  });

  it('counts no host as restarted that a hold keeps stopped', () => {
    const held = hostReport('b', {
      kind: 'proven',
      service: 'left-held',
      version: '',
      held: true,
      notes: [],
    });
    const lines = linesOf([someReport('gprd', [hostReport('a'), held])], { verb: 'restart' });
    expect(lines[0]).toBe('restarted 1/2 hosts in 38s, 1 left stopped, since held');
    expect(lines).toContain('  left held  b: a hold is on them; osqueryd start lifts it');
  });

  it('says a cause of many once with all their names, and the count once more below a long list', () => {
    const noKey = (name: string): LifecycleOutcome => ({
      kind: 'no-answer',
      why: 'denied',
      message: `no key to offer to ${name}`,
    });
    const alike = Array.from({ length: 180 }, (_, n) => hostReport(`web-${n}`, noKey(`web-${n}`)));
    const lines = linesOf([
      someReport('gprd', [...alike, hostReport('db', UNREACHABLE)]),
      someReport('gstg', [hostReport('a')]),
    ]);
    const text = lines.join('\n');
    expect(text).toContain('NOT COVERED: 181\n');
    expect(text.match(/no key to offer/gu)).toHaveLength(1);
    expect(lines).toContain('  180 hosts of gprd: no key to offer to HOST');
    expect(text).toMatch(/ db +gprd +connect timed out/u);
    for (let n = 0; n < 180; n += 1) expect(text).toMatch(new RegExp(`\\bweb-${n}\\b`, 'u'));
    expect(lines).toContain('stopped 1/182, NOT COVERED: 181');
  });

  it('says the next command with what was typed besides: without it it would be another one', () => {
    const reports = [someReport('gprd', [hostReport('d', UNREACHABLE)])];
    const text = linesOf(reports, { carried: ['--config', '../own', '--reason', "'INC 12'"] }).join('\n');
    expect(text).toContain("osqueryd stop --config ../own --reason 'INC 12' --host d");
  });

  it('names no hosts in a command that the terminal would break', () => {
    const hosts = ['web-01-gprd', 'web-02-gprd', 'web-03-gprd'].map((name) => hostReport(name, UNREACHABLE));
    const reports = [someReport('gprd', hosts)];
    expect(linesOf(reports, {}, 50).join(' ').replaceAll(/\s+/gu, ' ')).toContain(
      ' next the same command again: who is covered is only looked at',
    );
    expect(linesOf(reports, {}, 100).at(-1)).toMatch(/--host web-01-gprd web-02-gprd web-03-gprd$/u);
  });

  it('sends whoever a gate has halted to look before anything goes on, and in waves again', () => {
    const halted = {
      ...someReport('gprd', [hostReport('d', UNREACHABLE)]),
      end: 'halted',
      why: 'CPU',
    } as const;
    const lines = linesOf([halted], { verb: 'restart', carried: ['--playbook', 'restart'] });
    const next = lines.filter((line) => /^ +next/u.test(line)).map((line) => line.trim());
    expect(next[0]).toMatch(/osqueryd status --env gprd$/u);
    expect(lines.join('\n')).toContain('osqueryd restart --playbook restart --host d');
  });

  it('fits 100 columns whatever hosts say, and lets no control character through', () => {
    const long = `${'very long reason '.repeat(30)}\u001b[31mred`;
    const reports = Array.from({ length: 30 }, (_, n) =>
      hostReport(`a-rather-long-name-of-a-host-${n}`, {
        kind: 'no-answer',
        why: 'unreachable',
        message: long,
      }),
    );
    const lines = linesOf([someReport('a-long-environment', reports)]);
    for (const line of lines.filter((one) => !/^ +next/u.test(one)))
      expect(line.length, line).toBeLessThanOrEqual(100);
    expect(lines.join('\n')).not.toContain('\u001b');
  });
});
