/** Expressions that ask the hosts: what is not known decides nothing, and the rest may decide without it. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AGENT_STATES } from '../../src/domain/agent-texts.ts';
import {
  type Expression,
  explainExpression,
  parseExpression,
  printExpression,
} from '../../src/domain/expression.ts';
import { asksAgent, evaluateWith } from '../../src/domain/expression-agent.ts';
import type { Host } from '../../src/domain/host.ts';
import type { AgentStatus } from '../../src/domain/lifecycle.ts';
import { unrecordedAttributes } from '../../src/domain/where-on-record.ts';
import { ABSENT_STATUS, SOME_HOLD, SOME_STATUS, STOPPED_STATUS } from '../fakes/agent-statuses.ts';

const host: Host = {
  id: '1',
  name: 'web-1',
  address: '10.0.0.1',
  zone: 'us-east1-b',
  role: 'web',
  machineType: 'n1',
  os: 'debian-12',
  status: 'RUNNING',
  labels: {},
  tags: [],
  metadata: { 'created-by': '' },
  spot: false,
};
const held: AgentStatus = { ...STOPPED_STATUS, hold: SOME_HOLD };

function parsed(text: string): Expression {
  const expression = parseExpression(text, { agent: true });
  if (!expression.ok) throw new Error(`${text}: ${expression.error.message}`);
  return expression.value;
}

const ask = (text: string, status: AgentStatus | null = SOME_STATUS) =>
  evaluateWith(parsed(text), host, status);

describe('what a host tells', () => {
  it.each<[string, AgentStatus, boolean | 'unknown']>([
    ['version == "5.10.2"', SOME_STATUS, true],
    ['version == "5.10.2-1.linux"', SOME_STATUS, true],
    ['version == "5.9.1"', SOME_STATUS, false],
    ['version != "5.9.1"', SOME_STATUS, true],
    ['version != "5.10.2"', SOME_STATUS, false],
    ['version =~ "5.10.*"', SOME_STATUS, true],
    ['version !~ "5.10.*"', SOME_STATUS, false],
    ['version in ["5.9.1", "5.10.2"]', SOME_STATUS, true],
    ['version not in ["5.9.1", "5.10.2"]', SOME_STATUS, false],
    // What runs counts, not what was installed over it.
    ['version == "5.9.1"', { ...SOME_STATUS, runningVersion: '5.9.1', runsInstalled: false }, true],
    ['version =~ "5.10.2*"', { ...SOME_STATUS, runningVersion: '5.9.1', runsInstalled: false }, false],
    ['version == "5.10.2"', { ...SOME_STATUS, runningVersion: '', runsInstalled: false }, 'unknown'],
    ['version == "5.10.2"', { ...SOME_STATUS, runningVersion: '' }, true],
    ['version == "5.10.2"', STOPPED_STATUS, true],
    ['has(version)', ABSENT_STATUS, false],
    ['version != "5.10.2"', ABSENT_STATUS, true],
    ['version == "1:5.0-2"', { ...STOPPED_STATUS, packageVersion: '1:5.0-2' }, true],
    ['version == "5.0"', { ...STOPPED_STATUS, packageVersion: '1:5.0-2' }, true],
    ['state == "active"', SOME_STATUS, true],
    ['state == "inactive"', STOPPED_STATUS, true],
    ['state == "absent"', ABSENT_STATUS, true],
    // The package is gone and its daemon is not.
    ['state == "absent"', { ...ABSENT_STATUS, activeState: 'active', mainPid: 7 }, false],
    ['state in ["failed", "inactive"]', STOPPED_STATUS, true],
    ['state == "active"', { ...SOME_STATUS, activeState: '' }, 'unknown'],
    ['has(hold)', held, true],
    ['has(hold)', SOME_STATUS, false],
    ['not has(hold)', SOME_STATUS, true],
    ['hold =~ "*INC-42*"', held, true],
    ['hold =~ "*INC-42*"', SOME_STATUS, false],
  ])('%s', (text, status, expected) => {
    expect(ask(text, status)).toBe(expected);
  });
});

describe('a host that tells nothing', () => {
  it.each<[string, boolean | 'unknown']>([
    ['version == "5.9.1"', 'unknown'],
    ['version != "5.9.1"', 'unknown'],
    ['not version == "5.9.1"', 'unknown'],
    ['role == "web" and version == "5.9.1"', 'unknown'],
    ['role == "db" and version == "5.9.1"', false],
    ['version == "5.9.1" and role == "db"', false],
    ['role == "web" or version == "5.9.1"', true],
    ['version == "5.9.1" or role == "web"', true],
    ['role == "db" or version == "5.9.1"', 'unknown'],
    ['not (role == "db" and has(hold))', true],
    ['role == "web"', true],
  ])('%s', (text, expected) => {
    expect(ask(text, null)).toBe(expected);
  });

  it('a pattern over metadata that is withheld is not known either', () => {
    expect(ask('metadata.created-by =~ "*mig*"', SOME_STATUS)).toBe('unknown');
    expect(ask('not metadata.created-by =~ "*mig*"', null)).toBe('unknown');
  });
});

describe('what is written', () => {
  it('only where hosts are asked; elsewhere a sentence says why', () => {
    for (const text of [
      'version == "5.9.1"',
      'role == "web" and state == "failed"',
      'has(hold)',
      'not hold =~ "x"',
    ]) {
      expect(parseExpression(text, { agent: true }).ok).toBe(true);
      const refused = parseExpression(text);
      expect(refused.ok ? '' : refused.error.message).toMatch(
        /^`(version|state|hold)` can only be learned by asking the host: only --where of osqueryd's verbs may compare it$/,
      );
      expect(refused.ok ? 0 : refused.error.column).toBe(text.search(/version|state|hold/) + 1);
    }
  });

  it.each<[string, string | undefined]>([
    ['state == "running"', '"active"'],
    ['state == "stopped"', '"inactive"'],
    ['state == "activ"', '"active"'],
    ['state != "crashed"', '"failed"'],
    ['state in ["active", "down"]', '"inactive"'],
    ['state == "purple"', undefined],
    ['hold == "yes"', 'has(hold)'],
    ['hold == "no"', 'not has(hold)'],
    ['hold != ""', 'not has(hold)'],
    ['versoin == "5"', 'version'],
    ['has(state)', undefined],
    ['version < "5.10"', undefined],
    ['hold', undefined],
  ])('%s is an error', (text, suggestion) => {
    const read = parseExpression(text, { agent: true });
    expect(read.ok).toBe(false);
    expect(read.ok ? '' : read.error.suggestion).toBe(suggestion);
  });

  it('says what it read, and what it does not know', () => {
    const expression = parsed('version == "5" or state == "failed" or has(hold) or role == "web"');
    expect(explainExpression(expression, host, held)).toBe(
      'version="5.10.2", state="inactive", hold="INC-42: it eats the CPU", role="web"',
    );
    expect(explainExpression(expression, host, ABSENT_STATUS)).toBe(
      'version absent, state="absent", hold absent, role="web"',
    );
    expect(explainExpression(expression, host)).toBe(
      'version not known, state not known, hold not known, role="web"',
    );
  });

  it('asks the hosts only where it compares what they tell', () => {
    expect(asksAgent(parsed('role == "web" and not (spot or "x" in tags)'))).toBe(false);
    expect(asksAgent(parsed('role == "web" and not (spot or has(hold))'))).toBe(true);
    expect(unrecordedAttributes(parsed('state == "failed" and role == "web"'))).toEqual(['state']);
  });
});

describe('properties', () => {
  const text = fc.string({ maxLength: 6 });
  const attribute = fc.constantFrom(
    { kind: 'agent', name: 'version' } as const,
    { kind: 'text', name: 'role' } as const,
    { kind: 'text', name: 'name' } as const,
  );
  const state = { kind: 'agent', name: 'state' } as const;
  const { tree } = fc.letrec<{ tree: Expression }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5, depthIdentifier: 'agent-tree' },
      fc.constant({ kind: 'spot' as const }),
      fc.record({ kind: fc.constantFrom('equals' as const, 'differs' as const), attribute, value: text }),
      fc.record({ kind: fc.constantFrom('like' as const, 'unlike' as const), attribute, pattern: text }),
      fc.record({
        kind: fc.constant('one-of' as const),
        attribute,
        values: fc.array(text, { minLength: 1, maxLength: 2 }),
      }),
      fc.record({
        kind: fc.constant('equals' as const),
        attribute: fc.constant(state),
        value: fc.constantFrom(...AGENT_STATES),
      }),
      fc.record({
        kind: fc.constant('has' as const),
        attribute: fc.constantFrom(
          { kind: 'agent', name: 'hold' } as const,
          { kind: 'agent', name: 'version' } as const,
        ),
      }),
      fc.record({ kind: fc.constant('not' as const), of: tie('tree') }),
      fc.record({
        kind: fc.constantFrom('and' as const, 'or' as const),
        left: tie('tree'),
        right: tie('tree'),
      }),
    ),
  }));
  const statuses = [SOME_STATUS, STOPPED_STATUS, ABSENT_STATUS, held];

  it('parses what it prints to the same tree', () => {
    fc.assert(
      fc.property(tree, (expression) => {
        expect(parseExpression(printExpression(expression), { agent: true })).toEqual({
          ok: true,
          value: expression,
        });
        expect(typeof explainExpression(expression, host, held)).toBe('string');
      }),
      { numRuns: 300 },
    );
  });

  it('what is answered without a status is the answer with any', () => {
    fc.assert(
      fc.property(tree, fc.constantFrom(...statuses), (expression, status) => {
        const told = evaluateWith(expression, host, status);
        const untold = evaluateWith(expression, host, null);
        expect(typeof told).toBe('boolean');
        if (untold !== 'unknown') expect(told).toBe(untold);
        if (!asksAgent(expression)) expect(untold).toBe(told);
      }),
      { numRuns: 500 },
    );
  });
});
