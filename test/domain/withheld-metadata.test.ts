/** Rules over metadata values that nobody is shown: refused where they are written, and never decided by in silence. */
import { describe, expect, it } from 'vitest';
import type { Targeting } from '../../src/domain/environment.ts';
import { type Expression, parseExpression } from '../../src/domain/expression.ts';
import type { Eligibility, Host } from '../../src/domain/host.ts';
import { classify } from '../../src/domain/targeting.ts';
import { isWithheld, tell, unanswerable } from '../../src/domain/withheld-metadata.ts';

const NOW = Date.UTC(2026, 10, 21);

function hostWith(metadata: Record<string, string>): Host {
  return {
    id: '1',
    name: 'web-01',
    address: '10.0.0.1',
    zone: 'us-east1-b',
    role: 'web',
    machineType: 'n1',
    os: 'debian-12',
    status: 'RUNNING',
    labels: {},
    tags: [],
    metadata,
    spot: false,
  };
}

function parsed(text: string): Expression {
  const expression = parseExpression(text);
  if (!expression.ok) throw new Error(expression.error.message);
  return expression.value;
}

describe('a comparison that would always rest on a withheld value', () => {
  it.each([
    'metadata.kube-env == "x"',
    'metadata["startup-script"] =~ "*apt*"',
    'role == "web" and not metadata.user-data != "x"',
    'metadata.ssh-keys in ["a", "b"]',
    'spot or metadata.db-password !~ "a*"',
    'metadata.team == ""',
    'metadata.team in ["a", ""]',
    'metadata.url == "https://me:secret@example.com"',
    `metadata.note == "${'x'.repeat(257)}"`,
    'metadata.enable-oslogin-cert in ["TRUE", "maybe"]',
  ])('%s cannot be told', (text) => {
    expect(unanswerable(parsed(text))).toMatchObject({ why: expect.stringMatching(/withheld/u) });
  });

  it.each([
    'has(metadata.kube-env)',
    'not has(metadata["startup-script"])',
    'metadata.created-by =~ "*/instanceGroupManagers/*"',
    'metadata.team == "core"',
    'metadata.block-project-ssh-keys == "TRUE"',
    'metadata.block-project-ssh-keys in ["true", "TRUE"]',
    'labels.kube-env == "x" and labels.team == ""',
    'name =~ "web-*"',
  ])('%s can', (text) => {
    expect(unanswerable(parsed(text))).toBeNull();
  });

  it('is one of which no value that is withheld can be equal', () => {
    for (const [key, value] of [
      ['team', 'core'],
      ['block-project-ssh-keys', 'TRUE'],
    ] as const)
      expect(isWithheld(key, value)).toBe(false);
  });
});

describe('a glob over a value that is withheld here', () => {
  const withheld = hostWith({ note: '' });
  it.each([
    ['metadata.note =~ "a*"', 'withheld'],
    ['metadata.note !~ "a*"', 'withheld'],
    ['not metadata.note =~ "a*"', 'withheld'],
    ['metadata.other =~ "a*"', false],
    ['metadata.other !~ "a*"', true],
    ['role == "web" or metadata.note =~ "a*"', true],
    ['metadata.note =~ "a*" or role == "web"', true],
    ['role == "db" and metadata.note =~ "a*"', false],
    ['role == "web" and metadata.note =~ "a*"', 'withheld'],
    ['metadata.note =~ "a*" or role == "db"', 'withheld'],
    ['has(metadata.note)', true],
  ] as const)('%s is %s', (text, told) => {
    expect(tell(parsed(text), withheld)).toBe(told);
  });
});

describe('a rule that cannot be told of a host', () => {
  function verdict(metadata: Record<string, string>, targeting: Partial<Targeting>): Eligibility {
    const all: Targeting = { include: 'true', exempt: [], eligible: [], ...targeting };
    const [one] = classify([hostWith(metadata)], all, NOW);
    if (one === undefined) throw new Error('the host is gone');
    return one.eligibility;
  }
  const rule = (when: string) => ({ when, reason: 'r', until: NOW + 1 });

  it.each([
    ['include', { include: 'metadata.note =~ "ours*"' }],
    ['include', { include: 'metadata.note !~ "theirs*"' }],
    ['exempt[0]', { exempt: [rule('metadata.note =~ "no-agent*"')] }],
    ['exempt[0]', { exempt: [rule('metadata.note !~ "agent*"')] }],
    ['eligible[0]', { exempt: [rule('role == "web"')], eligible: [rule('metadata.note =~ "agent*"')] }],
  ] as const)('%s: it is undecided, not left out', (name, targeting) => {
    expect(verdict({ note: '' }, targeting)).toEqual({
      kind: 'undecided',
      evidence: `${name} compares a metadata value that is withheld here, or empty, with a pattern: whether it holds cannot be told`,
    });
  });

  it('and does not matter leaves it what it is', () => {
    const other = rule('metadata.note =~ "x*"');
    expect(verdict({ note: '' }, { exempt: [rule('role == "web"'), other] })).toMatchObject({
      kind: 'exempt',
      rule: 'exempt[0]',
    });
    expect(verdict({ note: '' }, { eligible: [other] })).toEqual({ kind: 'eligible' });
    expect(verdict({ note: 'ours-1' }, { include: 'metadata.note =~ "ours*"' })).toEqual({
      kind: 'eligible',
    });
    expect(verdict({ note: '' }, { include: 'role == "db" and metadata.note =~ "x*"' })).toMatchObject({
      kind: 'excluded',
    });
  });
});
