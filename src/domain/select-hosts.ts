/**
 * From an environment's hosts to those that a lifecycle command acts on, with everybody who is matched and not touched, by name. Pure.
 *
 * SH1  Every host that the selection matches is in exactly one of `chosen` and `leftOut`; who is not matched is in none.
 * SH2  Exempt, unsupported, excluded and stopped VMs are never chosen. One that nobody has decided on is left out when calm and
 *      chosen in an emergency: it may have the agent.
 * SH3  `--except` wins. A word that names nobody is told, never passed over: it is a typing error at 03:00.
 * SH4  A host of which it is not known whether it is matched is neither: it is told as unknown (EA1), if it could be acted on.
 */
import type { StatusAnswers } from './agent-status.ts';
import { type Expression, matches } from './expression.ts';
import { asksAgent, evaluateWith } from './expression-agent.ts';
import type { ClassifiedHost, Eligibility, Host, LapsedExemption } from './host.ts';
import { nearestWord } from './nearest.ts';
import type { Polarity, Selection } from './selection.ts';

export interface LeftOutTarget {
  readonly host: Host;
  readonly why:
    | Exclude<Eligibility, { kind: 'eligible' }>
    | { readonly kind: 'excepted'; readonly by: string };
  readonly lapsed?: LapsedExemption;
}

export interface SelectedHosts {
  /** In the order of their names, and so are the others. */
  readonly chosen: readonly Host[];
  readonly leftOut: readonly LeftOutTarget[];
  /** Whether they are meant could not be learned: a sentence each. Before the hosts are asked: those that must be. */
  readonly unknown: readonly { readonly host: Host; readonly why: string }[];
  /** Words of --host and --except that name nobody here, each once. */
  readonly unmatched: readonly string[];
  /** The name that such a word most likely means, where one is near. */
  readonly suggestions: ReadonlyMap<string, string>;
}

export interface SelectInput {
  /** The environment's whole inventory. */
  readonly hosts: readonly ClassifiedHost[];
  readonly selection: Selection;
  readonly polarity: Polarity;
  /** What hosts told; who is not in it was not asked. Needed only where `asksAgent(selection.where)`. */
  readonly statuses?: StatusAnswers;
}

/**
 * May be asked twice: without statuses first, when `unknown` are the hosts that decide nothing without being asked, and again with
 * theirs.
 */
export function selectHosts({
  hosts,
  selection,
  polarity,
  statuses = new Map(),
}: SelectInput): SelectedHosts {
  const wanted = selection.hosts.map(termOf);
  const excepted = selection.except.map(termOf);
  const chosen: Host[] = [];
  const leftOut: LeftOutTarget[] = [];
  const unknown: { host: Host; why: string }[] = [];
  for (const { host, eligibility } of inNameOrder(hosts)) {
    const isNamed = wanted.filter((term) => names(term, host)).length > 0;
    const by = excepted.filter((term) => names(term, host))[0];
    if (wanted.length > 0 ? !isNamed : !selection.fleet && selection.where === null) continue;
    const told = statuses.get(host.id);
    const status = told?.answer.kind === 'status' ? told.answer.status : null;
    const isMeant = selection.where === null ? true : evaluateWith(selection.where, host, status);
    if (isMeant === false) continue;
    // SH2.
    const bar =
      eligibility.kind === 'eligible' || (eligibility.kind === 'undecided' && polarity === 'emergency')
        ? null
        : eligibility;
    // SH3, and SH4 for those alone that could be touched: nobody is asked for what changes nothing.
    if (isMeant === 'unknown') {
      if (bar === null && by === undefined)
        unknown.push({ host, why: whyUnknown(selection.where, told?.answer) });
    } else if (by !== undefined) {
      leftOut.push({ host, why: { kind: 'excepted', by: by.word } });
    } else if (bar === null) {
      chosen.push(host);
    } else {
      leftOut.push({ host, why: bar });
    }
  }
  const terms = [...wanted, ...excepted];
  const unmatched = [...new Set(terms.filter((term) => !term.isMet).map(({ word }) => word))];
  return { chosen, leftOut, unknown, unmatched, suggestions: suggestionsFor(unmatched, hosts) };
}

interface Term {
  readonly word: string;
  readonly isGlob: boolean;
  /** Somebody was named by it. */
  isMet: boolean;
}

function termOf(word: string): Term {
  return { word, isGlob: /[*?]/.test(word), isMet: false };
}

/** A word without `*` and `?` is a whole name or an instance id. */
function names(term: Term, { id, name }: Host): boolean {
  const isNamed = term.isGlob ? matches(term.word, name) : term.word === name || term.word === id;
  if (isNamed) term.isMet = true;
  return isNamed;
}

function whyUnknown(
  where: Expression | null,
  answer: { readonly kind: 'status' } | { readonly kind: 'none'; readonly why: string } | undefined,
): string {
  if (where === null || !asksAgent(where))
    return 'whether --where holds of it rests on a metadata value that is withheld here, or empty';
  if (answer === undefined) return 'it was not asked for what --where compares';
  return answer.kind === 'none'
    ? `it did not tell what --where compares: ${answer.why}`
    : 'it answered, and could not tell what --where compares';
}

function inNameOrder(hosts: readonly ClassifiedHost[]): ClassifiedHost[] {
  return [...hosts].sort(
    (a, b) => compareText(a.host.name, b.host.name) || compareText(a.host.id, b.host.id),
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function suggestionsFor(words: readonly string[], hosts: readonly ClassifiedHost[]): Map<string, string> {
  const found = new Map<string, string>();
  if (words.length === 0) return found;
  const known = [...new Set(hosts.map(({ host }) => host.name))];
  for (const word of words) {
    const near = nearestWord(word.replaceAll(/[*?]/g, ''), known);
    if (near !== null) found.set(word, near);
  }
  return found;
}
