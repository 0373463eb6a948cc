/** Whom a lifecycle action does not cover, each by name with its reason, and what to do about them. */
import type { Host } from '../../domain/host.ts';
import type { ActionEnd } from './action-end.ts';
import { tableLines } from './fleet-table.ts';
import { nextFor } from './lifecycle-words.ts';
import { count, facts, hanging, harmless, type Paint, someOf } from './paint.ts';

interface Missed {
  readonly name: string;
  readonly environment: string;
  readonly why: string;
}

/** From so many hosts on the same sentence stands once, with their names below. */
const MANY_ALIKE = 5;

/** Behind a list of so many lines its head is out of sight. */
const LONG_LIST = 15;

/** `counted` (`stopped 12/192`) is said once more below a long list. */
export function notCoveredLines(end: ActionEnd, counted: string, paint: Paint): string[] {
  const alike = new Map<string, { readonly said: Missed; readonly hosts: Missed[] }>();
  for (const { environment, notCovered } of end.reports)
    for (const { host, why } of notCovered) {
      const missed = { name: harmless(host.name), environment, why: harmless(why) };
      const said = { ...missed, why: withoutHost(missed.why, host) };
      const key = `${environment} ${said.why}`;
      alike.set(key, { said, hosts: [...(alike.get(key)?.hosts ?? []), missed] });
    }
  const groups = [...alike.values()];
  const single = groups.filter(({ hosts }) => hosts.length < MANY_ALIKE).flatMap(({ hosts }) => hosts);
  const others = [
    ...end.notReached.map(({ environment, what, why }) => [harmless(what), environment, harmless(why)]),
    ...end.notBegun.map(({ environment, why }) => ['all of it', environment, harmless(why)]),
  ];
  const rows = [...single.map(({ name, environment, why }) => [name, environment, why]), ...others];
  const many = groups.filter(({ hosts }) => hosts.length >= MANY_ALIKE);
  const missed = many.reduce((sum, { hosts }) => sum + hosts.length, rows.length);
  if (missed === 0) return [];
  const list = [
    ...(rows.length === 0 ? [] : tableLines(['HOST', 'ENVIRONMENT', 'WHY'], rows, paint)),
    ...many.flatMap(({ said, hosts }) => alikeLines(said, hosts, paint)),
  ];
  return [
    paint.bad(`NOT COVERED: ${missed}`),
    ...list,
    ...adviceLines(end, paint),
    ...(list.length > LONG_LIST ? [`${counted}, ${paint.bad(`NOT COVERED: ${missed}`)}`] : []),
  ];
}

/** Names the host as the table's head does, so that what is said of many is seen to be the same. */
function withoutHost(why: string, { id, name, address }: Host): string {
  return [name, id, address].reduce(
    (text, word) => (word === '' ? text : text.replaceAll(word, 'HOST')),
    why,
  );
}

function alikeLines({ environment, why }: Missed, hosts: readonly Missed[], paint: Paint): string[] {
  const names = hosts.map(({ name }) => name).join(' ');
  return [
    ...hanging('  ', `${count(hosts.length, 'host')} of ${environment}: ${why}`, paint.width),
    ...hanging('    ', names, paint.width),
  ];
}

/** What to do, once a kind of trouble. */
function adviceLines({ reports }: ActionEnd, paint: Paint): string[] {
  const byAdvice = new Map<string, string[]>();
  for (const { notCovered, hosts } of reports) {
    const outcomes = new Map(hosts.map(({ host, outcome }) => [host.id, outcome]));
    for (const { host } of notCovered) {
      const outcome = outcomes.get(host.id);
      const advice = outcome === undefined ? '' : nextFor(outcome);
      if (advice !== '') byAdvice.set(advice, [...(byAdvice.get(advice) ?? []), harmless(host.name)]);
    }
  }
  return facts(
    [...byAdvice].map(([advice, names]): [string, string] => ['to do', `${someOf(names, 3)}: ${advice}`]),
    paint,
  );
}
