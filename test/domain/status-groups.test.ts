import { describe, expect, it } from 'vitest';
import type { StatusAnswer } from '../../src/domain/agent-status.ts';
import type { AgentStatus } from '../../src/domain/lifecycle.ts';
import {
  bySeverity,
  SEVERITIES,
  type Severity,
  severityOfStatus,
  statusGroups,
} from '../../src/domain/status-groups.ts';
import { someHosts } from '../engine/world.ts';
import { ABSENT_STATUS, SOME_HOLD, SOME_STATUS, STOPPED_STATUS } from '../fakes/agent-statuses.ts';

const NOW = SOME_HOLD.until - 1;

describe('what is wrong with one host', () => {
  it.each<[Severity, AgentStatus]>([
    ['active', SOME_STATUS],
    ['failed', { ...STOPPED_STATUS, activeState: 'failed', subState: 'failed' }],
    ['held', { ...STOPPED_STATUS, activeState: 'failed', hold: SOME_HOLD }],
    [
      'crash-looping',
      { ...STOPPED_STATUS, activeState: 'activating', subState: 'auto-restart', restarts: 1 },
    ],
    ['crash-looping', { ...SOME_STATUS, restarts: 3, uptimeMs: 59_999 }],
    ['active', { ...SOME_STATUS, restarts: 3, uptimeMs: 60_000 }],
    ['active', { ...SOME_STATUS, restarts: 2, uptimeMs: 5 }],
    ['strays', { ...STOPPED_STATUS, strays: [7], hold: SOME_HOLD }],
    ['strays', { ...SOME_STATUS, strays: [7] }],
    ['runs-although-held', { ...SOME_STATUS, hold: SOME_HOLD }],
    ['changing', { ...STOPPED_STATUS, activeState: 'activating', subState: 'start' }],
    ['changing', { ...STOPPED_STATUS, busy: true }],
    ['held', { ...STOPPED_STATUS, hold: SOME_HOLD }],
    ['held', { ...ABSENT_STATUS, hold: SOME_HOLD }],
    ['absent', ABSENT_STATUS],
    ['stopped', STOPPED_STATUS],
    ['old-binary', { ...SOME_STATUS, runsInstalled: false, runningVersion: '5.9.1' }],
    ['old-binary', { ...SOME_STATUS, packageState: 'absent', packageVersion: '', runsInstalled: false }],
    ['broken-package', { ...SOME_STATUS, packageState: 'broken' }],
    ['active', { ...SOME_STATUS, runsInstalled: null }],
  ])('%s: %#', (severity, status) => {
    expect(severityOfStatus(status, NOW)).toBe(severity);
  });

  it('a hold is due from its end on', () => {
    const held = { ...STOPPED_STATUS, hold: SOME_HOLD };
    expect([0, 1].map((later) => severityOfStatus(held, NOW + later))).toEqual(['held', 'hold-due']);
  });
});

const hosts = someHosts(430);
const answer = (index: number, status: AgentStatus | string): StatusAnswer => {
  const host = hosts[index];
  if (host === undefined) throw new Error('no host');
  return {
    host,
    answer: typeof status === 'string' ? { kind: 'none', why: status } : { kind: 'status', status },
    tookMs: 1,
  };
};

describe('a fleet', () => {
  const answers = [
    ...Array.from({ length: 412 }, (_, index) => answer(index, SOME_STATUS)),
    answer(412, { ...SOME_STATUS, packageVersion: '5.9.1-1.linux', runningVersion: '5.9.1' }),
    ...[413, 414, 415].map((index) => answer(index, { ...STOPPED_STATUS, activeState: 'failed' })),
    answer(416, 'connect timed out'),
    answer(417, 'connect timed out'),
    answer(418, 'host key changed'),
    answer(419, { ...STOPPED_STATUS, hold: SOME_HOLD }),
  ];

  it('is a few groups: what is wrong first, then the largest, names limited', () => {
    const groups = statusGroups(answers, { now: NOW, names: 2 });
    expect(
      groups.map(({ severity, version, why, hosts: count, names, more }) => [
        severity,
        version,
        why,
        count,
        names,
        more,
      ]),
    ).toEqual([
      ['no-answer', '', 'connect timed out', 2, ['h417', 'h418'], 0],
      ['no-answer', '', 'host key changed', 1, ['h419'], 0],
      ['failed', '5.10.2', '', 3, ['h414', 'h415'], 1],
      ['held', '5.10.2', 'ada@ops-1: INC-42: it eats the CPU', 1, ['h420'], 0],
      ['active', '5.10.2', '', 412, ['h1', 'h10'], 410],
      ['active', '5.9.1', '', 1, ['h413'], 0],
    ]);
  });

  it('has everybody in one group, whatever the order of the answers', () => {
    const groups = statusGroups(answers, { now: NOW });
    expect(groups.reduce((sum, group) => sum + group.hosts, 0)).toBe(answers.length);
    expect(statusGroups([...answers].reverse(), { now: NOW })).toEqual(groups);
    expect(Math.max(...groups.map(({ names }) => names.length))).toBe(10);
    expect(statusGroups([], { now: NOW })).toEqual([]);
  });

  it('hosts whose trouble differs by nothing but their address are one group', () => {
    const refused = [0, 1].map((index) => answer(index, `connect refused by 10.0.0.${index + 1}:22`));
    expect(statusGroups(refused, { now: NOW })).toMatchObject([
      { why: 'connect refused by its address:22', hosts: 2 },
    ]);
  });

  it('host by host in the same order', () => {
    const few = [answer(0, SOME_STATUS), answer(419, STOPPED_STATUS), answer(5, 'gone'), answer(3, 'gone')];
    expect([...few].sort(bySeverity(NOW)).map(({ host }) => host.name)).toEqual(['h4', 'h6', 'h420', 'h1']);
  });
});

it('severities are each once', () => {
  expect(new Set(SEVERITIES).size).toBe(SEVERITIES.length);
});
