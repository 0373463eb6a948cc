/** `rollout whois ADDRESS [ENV]`: which VM had an address at a time and what ran there, from journals alone. */
import { systemClock } from '../../adapters/clock/system-clock.ts';
import { type Refusal, refuse } from '../../engine/context.ts';
import { reportAddress, type WhoisReport } from '../../engine/fleet-report.ts';
import { EXIT } from '../exit-codes.ts';
import { timeAsked } from '../fleet-question.ts';
import type { Invocation } from '../invocation.ts';
import { jsonLine } from '../json-lines.ts';
import { whoisLines } from '../render/whois-view.ts';
import { sayRefused, withSession } from '../session.ts';

export async function run(invocation: Invocation): Promise<number> {
  const [address = '', only] = invocation.args;
  const at = timeAsked(invocation);
  if (!at.ok) return sayRefused(invocation, [at.error]);
  const wrong = whyNoAddress(address);
  if (wrong !== null) return sayRefused(invocation, [wrong]);
  const asked = at.value ?? systemClock.now();
  return withSession(invocation, async (session) => {
    const refusals: Refusal[] = [];
    const reports: WhoisReport[] = [];
    for (const name of only === undefined ? session.names : [only]) {
      const context = session.open(name);
      const report = context.ok ? await reportAddress(context.value, address, asked) : context;
      if (invocation.signal.aborted)
        return sayRefused(invocation, [
          refuse('interrupted', 'called-off', `reading the journals was called off at ${name}'s`),
        ]);
      if (report.ok) reports.push(report.value);
      else refusals.push(report.error);
    }
    const exit = exitOf(reports);
    if (invocation.json) {
      for (const { rows, ...report } of reports)
        jsonLine(invocation, 'whois', {
          ...report,
          vms: [...rows.values()],
          exit: exitOf([{ rows, ...report }]),
        });
    } else {
      const told = exit === EXIT.done ? reports.filter(isFound) : reports;
      const blocks = told.map((report) => whoisLines(report, session.paint).join('\n'));
      if (blocks.length > 0) invocation.output.out(blocks.join('\n\n'));
      if (only === undefined && session.unusable.length > 0) {
        const names = session.unusable.map(({ name }) => name).join(', ');
        invocation.output.err(session.paint.dim(`not asked, since they cannot be used: ${names}`));
      }
    }
    if (refusals.length === 0) return exit;
    const refused = sayRefused(invocation, refusals);
    return exit === EXIT.done ? EXIT.incomplete : Math.max(exit, refused);
  });
}

function isFound({ answer }: WhoisReport): boolean {
  return answer.kind === 'recorded' && answer.holders.length > 0;
}

/** Somebody had it: 0. Nobody that was listed, and not everything could be: 4. Nobody, or no record: 1. */
function exitOf(reports: readonly WhoisReport[]): number {
  if (reports.some(isFound)) return EXIT.done;
  const isUnknown = ({ answer }: WhoisReport): boolean =>
    answer.kind === 'recorded' && answer.unknownZones.length > 0;
  return reports.some(isUnknown) ? EXIT.held : EXIT.failed;
}

function whyNoAddress(text: string): Refusal | null {
  if (/^[^\s/@]+$/.test(text) && !/^\d{1,3}(\.\d{1,3}){3}:\d+$/.test(text)) return null;
  return refuse(
    'usage',
    'bad-address',
    `${JSON.stringify(text)} is no address: no port, user or prefix length belongs to it`,
    {
      next: 'rollout whois 10.128.0.7 --at 2h',
    },
  );
}
