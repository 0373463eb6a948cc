/** Coverage as Markdown, for a ticket or a wiki: never cut short, and nothing in a name or a reason is taken for markup. */
import type { RuleGroup } from '../../domain/coverage-report.ts';
import {
  type Coverage,
  EXEMPTION_WORDS,
  headline,
  heldVms,
  percentText,
  seenSince,
  sinceWord,
} from './coverage-view.ts';
import { sourceWords } from './fleet-view.ts';
import { createPaint, harmless, moment } from './paint.ts';

const PLAIN = createPaint(false);

export function coverageMarkdown(all: readonly Coverage[]): string {
  const summary = table(
    ['Environment', 'Verdict', 'Covered', 'Must have it', 'Undecided', 'Percent', 'Target', 'Unknown zones'],
    all.map(({ report }) => [
      report.environment,
      { met: 'met', 'below-target': '**below target**', held: '**held**' }[report.verdict],
      String(report.covered),
      String(report.counts.byEligibility.eligible),
      String(report.counts.byEligibility.undecided),
      percentText(report.percent),
      `${report.target} %`,
      String(report.unknownZones.length),
    ]),
    [1],
  );
  return ['# Agent coverage', '', ...summary, ...all.flatMap(environmentLines)].join('\n');
}

function environmentLines({ fleet, report }: Coverage): string[] {
  const { counts, uncovered, groups, exemptions, unknownZones } = report;
  const { byEligibility: by, byState } = counts;
  const lines = ['', `## ${escaped(report.environment)}`, '', `${escaped(headline(report, PLAIN))}.`];
  const seen = seenSince({ fleet, report });
  const basis = `${sourceWords(fleet.source)}${seen === '' ? '' : `; ${seen}`}`;
  lines.push('', `As of: ${escaped(basis)}.`, '');
  const notes = [...report.held, ...report.findings, ...fleet.notes];
  for (const note of notes) lines.push(`- ${escaped(note)}`);
  if (notes.length > 0) lines.push('');
  const rows: [string, number | string][] = [
    ['VMs in all', counts.all],
    ['must have the agent', by.eligible],
    ['covered: proven running', report.covered],
    ['of these not the pinned version', report.pin === null ? 'no pin' : counts.offPin],
    ['stopped', byState.stopped],
    ['absent', byState.absent],
    ['silent', byState.silent],
    ['never looked at', byState.unseen],
    ['undecided', by.undecided],
    ['exempt', by.exempt],
    ['unsupported', by.unsupported],
    ['not running', by['not-running']],
    ['excluded', by.excluded],
  ];
  lines.push(
    ...table(
      ['VMs', 'Number'],
      rows.map(([what, number]) => [what, String(number)]),
    ),
  );
  const part = (title: string, heads: readonly string[], cells: readonly (readonly string[])[]): void => {
    if (cells.length > 0) lines.push('', `### ${title}`, '', ...table(heads, cells));
  };
  part(
    'Zones that could not be listed',
    ['Zone', 'Why', 'VMs when last listed'],
    unknownZones.map(({ zone, why, lastKnown }) => [
      zone,
      why,
      lastKnown === null ? 'not recorded' : String(lastKnown),
    ]),
  );
  part(
    'Not covered',
    ['VM', 'Id', 'Project', 'Zone', 'State', 'Since', 'Why', 'Hold'],
    uncovered.map((vm) => [
      vm.name,
      vm.id,
      vm.project ?? '',
      vm.zone,
      vm.state,
      sinceWord(vm.since),
      vm.why,
      vm.hold,
    ]),
  );
  part(
    'Held on the host itself',
    ['VM', 'Id', 'Project', 'Zone', 'Hold'],
    heldVms(report).map((vm) => [vm.name, vm.id, vm.project ?? '', vm.zone, vm.hold]),
  );
  part(
    'Rules',
    ['Kind', 'Rule', 'VMs', 'Reason', 'Evidence'],
    groups.map(({ kind, rule, vms, reason, evidence }) => [
      kind,
      rule,
      String(vms.length),
      reason,
      evidence.map((one) => `${one.evidence} (${one.vms})`).join(', '),
    ]),
  );
  part(
    "Operator's exemptions",
    ['Rule', 'State', 'Ends', 'VMs', 'When', 'Reason'],
    exemptions.map((one) => [
      one.rule,
      EXEMPTION_WORDS[one.state],
      moment(one.until),
      String(one.vms),
      one.when,
      one.reason,
    ]),
  );
  part('VMs that need not have it', ['VM', 'Id', 'Project', 'Zone', 'Rule'], groups.flatMap(groupRows));
  return lines;
}

function groupRows({ rule, vms }: RuleGroup): string[][] {
  return vms.map((vm) => [vm.name, vm.id, vm.project ?? '', vm.zone, rule]);
}

/** `ours`: columns whose markup is our own. */
function table(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  ours: readonly number[] = [],
): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(heads),
    line(heads.map(() => '---')),
    ...rows.map((row) =>
      line(row.map((cell, index) => (ours.includes(index) ? cell : escaped(cell)) || '-')),
    ),
  ];
}

function escaped(text: string): string {
  return harmless(text)
    .replace(/[\\|`*_[\]<>~#]/gu, (sign) => `\\${sign}`)
    .replaceAll('&', '&amp;')
    .replaceAll('://', ':&#8203;//');
}
