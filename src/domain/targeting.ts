/**
 * Which hosts must have the agent, which need not, and by what evidence. Pure; `now` is given.
 *
 * T1  Strong signals of a managed machine exempt it. T2  Weak signals alone make it undecided, until a rule of the
 * environment decides. T3  Rules that contradict each other, or a strong signal, make it undecided: nobody is left out or
 * changed by the order of rules. T4  An exemption whose end date has come counts no more.
 *
 * Signals of GKE, Dataproc, Dataflow and serverless machines: the labels, metadata and names that Google gives such VMs.
 */
import type { Targeting } from './environment.ts';
import { type Expression, evaluate, explainExpression, parseExpression } from './expression.ts';
import type { ClassifiedHost, Eligibility, Host } from './host.ts';

interface Rule {
  readonly name: string;
  readonly expression: Expression;
  readonly reason: string;
}

/** Every host once, in the order given. The expressions were checked when they were read: a wrong one here is a bug. */
export function classify(hosts: readonly Host[], targeting: Targeting, now: number): ClassifiedHost[] {
  const include = compile(targeting.include);
  const exempt = targeting.exempt
    .map((rule, index) => ({
      name: `exempt[${index}]`,
      until: rule.until,
      reason: rule.reason,
      expression: compile(rule.when),
    }))
    .filter((rule) => rule.until === undefined || now < rule.until);
  const eligible = targeting.eligible.map((rule, index) => ({
    name: `eligible[${index}]`,
    reason: rule.reason,
    expression: compile(rule.when),
  }));
  return hosts.map((host) => {
    if (!evaluate(include, host))
      return { host, eligibility: { kind: 'excluded', rule: `include: ${targeting.include}` } };
    return { host, eligibility: eligibilityOf(host, exempt, eligible) };
  });
}

function eligibilityOf(host: Host, exempt: readonly Rule[], eligible: readonly Rule[]): Eligibility {
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
  if (noDpkg !== null) return { kind: 'unsupported', evidence: noDpkg };
  if (host.status !== 'RUNNING') return { kind: 'not-running', status: host.status };
  const weak = weakSignal(host);
  if (weak !== null && must === undefined) return { kind: 'undecided', evidence: weak };
  return { kind: 'eligible' };
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

const GKE_LABELS = [
  'goog-gke-node',
  'goog-k8s-cluster-name',
  'goog-k8s-node-pool-name',
  'goog-k8s-cluster-location',
  'goog-gke-cluster-id-base32',
];
const GKE_METADATA = ['kube-env', 'kube-labels'];
const GKE_GROUP = /zones\/[^/]+\/instanceGroupManagers\/gke-.*-grp/;
const GKE_REASON = 'GKE node: Kubernetes nodes need no agent of their own';

/** One of these is enough to know that the VM is managed by a service of the cloud. */
function strongSignal(host: Host): { rule: string; reason: string; evidence: string } | null {
  const gke = { rule: 'built-in:gke-node', reason: GKE_REASON };
  const label = GKE_LABELS.find((key) => Object.hasOwn(host.labels, key));
  if (label !== undefined) return { ...gke, evidence: labelled(host, label) };
  const metadata = GKE_METADATA.find((key) => Object.hasOwn(host.metadata, key));
  if (metadata !== undefined) return { ...gke, evidence: `metadata ${metadata}` };
  const createdBy = Object.hasOwn(host.metadata, 'created-by') ? (host.metadata['created-by'] ?? '') : '';
  if (GKE_GROUP.test(createdBy)) return { ...gke, evidence: `metadata created-by=${createdBy}` };
  return managedService(host);
}

function managedService(host: Host): { rule: string; reason: string; evidence: string } | null {
  for (const key of Object.keys(host.labels)) {
    if (key.startsWith('goog-dataproc-')) {
      return { rule: 'built-in:dataproc', reason: 'Dataproc manages this VM', evidence: labelled(host, key) };
    }
    if (key.startsWith('dataflow_')) {
      return { rule: 'built-in:dataflow', reason: 'Dataflow manages this VM', evidence: labelled(host, key) };
    }
  }
  const serverless = { rule: 'built-in:serverless', reason: 'Serverless VPC Access manages this VM' };
  const mark = 'serverless-vpc-access';
  if (Object.hasOwn(host.labels, mark)) return { ...serverless, evidence: labelled(host, mark) };
  if (host.tags.includes(mark)) return { ...serverless, evidence: `tag ${mark}` };
  return null;
}

function labelled(host: Host, key: string): string {
  const value = host.labels[key] ?? '';
  return value === '' ? `label ${key}` : `label ${key}=${value}`;
}

const WEAK_METADATA = ['cluster-name', 'cluster-location', 'gci-update-strategy'];

/** Looks like a GKE node without being proven one; metadata of these names is also set by hand. */
function weakSignal(host: Host): string | null {
  const signs = WEAK_METADATA.filter((key) => Object.hasOwn(host.metadata, key)).map(
    (key) => `metadata ${key}`,
  );
  if (/^(gke|gk3)-/.test(host.name)) signs.push(`name ${host.name}`);
  return signs.length === 0 ? null : `looks like a GKE node, but only by ${signs.join(' and ')}`;
}

/** Container-Optimized OS and Windows carry no Debian package. */
function withoutDpkg(host: Host): string | null {
  return /^(cos|windows)(-|$)/i.test(host.os) ? `os ${host.os} has no dpkg` : null;
}
