/**
 * Which hosts must have the agent, which need not, and by what evidence. Pure; `now` is given.
 *
 * T1  Strong signals of a managed machine exempt it. T2  Weak signals alone make it undecided, until a rule of the
 * environment decides. T3  Rules that contradict each other, or a strong signal, make it undecided: nobody is left out or
 * changed by the order of rules. T4  An exemption whose end date has come counts no more; where it did count, the host says
 * so. T5  A rule that could only be told by a withheld metadata value does not decide: where it matters, the host is undecided.
 * The signals are managed-machines.ts.
 */
import type { Targeting } from './environment.ts';
import { type Expression, evaluate, explainExpression, parseExpression } from './expression.ts';
import type { ClassifiedHost, Eligibility, Host, LapsedExemption } from './host.ts';
import { strongSignal, weakSignal, withoutDpkg } from './managed-machines.ts';
import { tell } from './withheld-metadata.ts';

interface Rule {
  readonly name: string;
  readonly expression: Expression;
  readonly reason: string;
}

interface ExemptRule extends Rule {
  readonly until: number;
}

interface Rules {
  readonly exempt: readonly ExemptRule[];
  readonly lapsed: readonly ExemptRule[];
  readonly eligible: readonly Rule[];
}

/** Every host once, in the order given. The expressions were checked when they were read: a wrong one here is a bug. */
export function classify(hosts: readonly Host[], targeting: Targeting, now: number): ClassifiedHost[] {
  const include = compile(targeting.include);
  const exempt = targeting.exempt.map((rule, index) => ({
    name: `exempt[${index}]`,
    until: rule.until,
    reason: rule.reason,
    expression: compile(rule.when),
  }));
  const rules: Rules = {
    exempt: exempt.filter((rule) => now < rule.until),
    lapsed: exempt.filter((rule) => now >= rule.until),
    eligible: targeting.eligible.map((rule, index) => ({
      name: `eligible[${index}]`,
      reason: rule.reason,
      expression: compile(rule.when),
    })),
  };
  return hosts.map((host) => {
    const isOurs = tell(include, host);
    if (isOurs === false)
      return { host, eligibility: { kind: 'excluded', rule: `include: ${targeting.include}` } };
    const eligibility = eligibilityOf(host, rules);
    const untold = isOurs === 'withheld' ? 'include' : untoldRule(host, eligibility, rules);
    if (untold === null || (eligibility.kind !== 'eligible' && eligibility.kind !== 'exempt'))
      return { host, eligibility };
    const evidence = `${untold} compares a metadata value that is withheld here, or empty, with a pattern: whether it holds cannot be told`;
    return { host, eligibility: { kind: 'undecided', evidence } };
  });
}

/** T5. The rule that made it what it is, or one that would have made it something else. */
function untoldRule(host: Host, by: Eligibility, { exempt, eligible }: Rules): string | null {
  const matters =
    by.kind === 'exempt' ? [...exempt.filter(({ name }) => name === by.rule), ...eligible] : exempt;
  return matters.find((rule) => tell(rule.expression, host) === 'withheld')?.name ?? null;
}

function eligibilityOf(host: Host, { exempt, lapsed, eligible }: Rules): Eligibility {
  const strong = strongSignal(host);
  const needNot = exempt.find((rule) => evaluate(rule.expression, host));
  const must = eligible.find((rule) => evaluate(rule.expression, host));
  if (must !== undefined && (strong !== null || needNot !== undefined)) {
    const other = strong === null ? evidenceOf(needNot, host) : `${strong.rule}: ${strong.evidence}`;
    return { kind: 'undecided', evidence: `contradiction: ${evidenceOf(must, host)}, but ${other}` };
  }
  if (strong !== null) return { kind: 'exempt', ...strong };
  if (needNot !== undefined) {
    const evidence = explainExpression(needNot.expression, host) || 'matches every host';
    return { kind: 'exempt', rule: needNot.name, reason: needNot.reason, evidence };
  }
  const noDpkg = withoutDpkg(host);
  if (noDpkg !== null && !noDpkg.contradicted)
    return { kind: 'unsupported', rule: noDpkg.rule, evidence: noDpkg.evidence };
  if (host.status !== 'RUNNING') return { kind: 'not-running', status: host.status };
  // T4.
  const ended = lapsed.findLast((rule) => evaluate(rule.expression, host));
  if (must === undefined) {
    const unsure = [
      ...(noDpkg === null ? [] : [`contradiction: ${noDpkg.rule}: ${noDpkg.evidence}`]),
      ...weakSignals(host),
    ];
    if (unsure.length > 0) {
      const before = ended === undefined ? '' : `; ${ended.name} exempted it ${untilWhen(ended)}`;
      return { kind: 'undecided', evidence: `${unsure.join('; ')}${before}` };
    }
  }
  if (ended === undefined) return { kind: 'eligible' };
  return { kind: 'eligible', lapsed: { rule: ended.name, reason: ended.reason, until: ended.until } };
}

function weakSignals(host: Host): string[] {
  const weak = weakSignal(host);
  return weak === null ? [] : [weak];
}

function untilWhen({ until }: { readonly until: number }): string {
  return `until ${new Date(until).toISOString().slice(0, 16)}Z`;
}

/** An operator's exemption as it stands in the environment's file. */
export interface Exemption extends LapsedExemption {
  readonly when: string;
}

/** Exemptions that have come to their end: their hosts must have the agent again. */
export function lapsedExemptions(targeting: Targeting, now: number): Exemption[] {
  return exemptions(targeting).filter(({ until }) => now >= until);
}

/** Exemptions that still count and end within `withinMs`, the next to end first. */
export function expiringSoon(targeting: Targeting, now: number, withinMs: number): Exemption[] {
  return exemptions(targeting)
    .filter(({ until }) => now < until && until - now <= withinMs)
    .sort((a, b) => a.until - b.until);
}

function exemptions({ exempt }: Targeting): Exemption[] {
  return exempt.map((rule, index) => ({ rule: `exempt[${index}]`, ...rule }));
}

function compile(text: string): Expression {
  const parsed = parseExpression(text);
  if (!parsed.ok) throw new Error(`bug: unchecked expression \`${text}\`: ${parsed.error.message}`);
  return parsed.value;
}

function evidenceOf(rule: Rule | undefined, host: Host): string {
  if (rule === undefined) return '';
  const facts = explainExpression(rule.expression, host);
  return `${rule.name}: ${facts === '' ? 'matches every host' : facts}`;
}
