/** Rules between the keys of gates, over what was written. They trust no shape, as rules.ts. */
import { BUILTIN_GATES, BUILTIN_READINGS } from '../domain/builtin-gates.ts';
import { nearestWord } from '../domain/nearest.ts';
import type { GatePolicy } from '../domain/policy.ts';
import { isTeller } from '../domain/witness.ts';
import { type Fault, fault } from './problem.ts';
import { COMPARE_KEYS } from './schema/gates.ts';
import { readKey } from './schema-walk.ts';
import { has, isMap, listOf } from './written-shape.ts';

/** What else the file has that gates rest on. */
export interface GatesBeside {
  /** false: nothing can be asked a query. */
  readonly hasPrometheus: boolean;
  /** The map `witnesses`, as it was written; null where the file cannot know, as a playbook. */
  readonly witnesses: unknown;
}

const ANYTHING: GatesBeside = { hasPrometheus: true, witnesses: null };

/** All rules inside the list `gates`. */
export function gateFaults(gates: unknown, beside: GatesBeside = ANYTHING): Fault[] {
  const names = new Map<string, number>();
  return listOf(gates).flatMap((gate, index) => {
    if (!isMap(gate)) return [];
    const path = ['gates', index] as const;
    return [
      ...missingFaults(gate, path, beside),
      ...nameFaults(gate, path, names),
      ...sourceFaults(gate, path),
      ...witnessFaults(gate, path, beside),
      ...unaskedFaults(gate, path, beside),
      ...compareFaults(gate, path),
      ...weightFaults(readKey(gate, 'weight'), path),
    ];
  });
}

type Path = readonly (string | number)[];

const NEEDS = {
  prometheus: ['name', 'query', 'unit', 'direction', 'limit', 'window'],
  probe: ['name', 'unit', 'direction', 'limit'],
  witness: ['name', 'unit', 'direction', 'limit'],
  /** Such a witness says pass or fail itself. */
  teller: ['name'],
} as const;

function sourceOf(gate: unknown, { witnesses }: GatesBeside): keyof typeof NEEDS {
  const source = readKey(gate, 'source');
  if (has(source, 'probe')) return 'probe';
  if (!has(source, 'witness')) return 'prometheus';
  return isWrittenTeller(witnesses, String(readKey(source, 'witness'))) ? 'teller' : 'witness';
}

/** Of the map `witnesses` as it was written: does the one of that name say pass or fail itself? */
export function isWrittenTeller(witnesses: unknown, name: string): boolean {
  return isTeller(readKey(readKey(witnesses, name), 'kind'));
}

function missingFaults(gate: unknown, path: Path, beside: GatesBeside): Fault[] {
  if (has(gate, 'use')) return [];
  const missing = NEEDS[sourceOf(gate, beside)].filter((key) => !has(gate, key));
  if (missing.length === 0) return [];
  const message = `a gate of your own needs ${missing.join(', ')}; one that ships is named with \`use\``;
  return [fault(path, message, { allowed: Object.keys(BUILTIN_GATES).map((name) => `use: ${name}`) })];
}

function nameFaults(gate: unknown, path: Path, names: Map<string, number>): Fault[] {
  const name = readKey(gate, 'name') ?? readKey(gate, 'use');
  if (typeof name !== 'string') return [];
  const first = names.get(name);
  if (first === undefined) {
    names.set(name, Number(path[1]));
    return [];
  }
  const message = `gate ${first + 1} of the list has the same name; give this one another \`name\``;
  return [fault(path, message, { found: name })];
}

function sourceFaults(gate: unknown, path: Path): Fault[] {
  const source = readKey(gate, 'source');
  if (!isMap(source)) return [];
  const faults = exactlyOne(source, [...path, 'source'], ['probe', 'witness']);
  if (has(gate, 'query')) {
    faults.push(
      fault([...path, 'query'], 'a gate with a `source` of its own asks no query', {
        part: 'key',
        allowed: ['either query or source'],
      }),
    );
  }
  if (readKey(readKey(gate, 'compare'), 'with') === 'before') {
    faults.push(
      fault([...path, 'compare', 'with'], 'what was before the change only Prometheus can tell', {
        found: 'before',
        allowed: ['control'],
      }),
    );
  }
  return faults;
}

/** A gate whose witness is not there would never have a number. */
function witnessFaults(gate: unknown, path: Path, { witnesses }: GatesBeside): Fault[] {
  const name = readKey(readKey(gate, 'source'), 'witness');
  if (witnesses === null || typeof name !== 'string' || has(witnesses, name)) return [];
  const known = isMap(witnesses) ? Object.keys(witnesses as object) : [];
  const meant = nearestWord(name, known);
  const message = 'no witness of this environment is called that';
  const allowed = known.length === 0 ? ['a name under witnesses, where there is none yet'] : known;
  const detail = { found: name, allowed, ...(meant === null ? {} : { suggestion: meant }) };
  return [fault([...path, 'source', 'witness'], message, detail)];
}

/** Without Prometheus nobody answers a query. */
function unaskedFaults(gate: unknown, path: Path, beside: GatesBeside): Fault[] {
  if (beside.hasPrometheus || sourceOf(gate, beside) !== 'prometheus') return [];
  const use = readKey(gate, 'use');
  const readings: Readonly<Record<string, unknown>> = BUILTIN_READINGS;
  const isOwn = has(gate, 'query') || readKey(gate, 'source') === 'prometheus';
  if (!isOwn && (typeof use !== 'string' || (readings[use] ?? null) !== null)) return [];
  const message = 'this gate asks a query, and the file has no `prometheus` to answer it';
  return [
    fault(path, message, { part: 'key', allowed: ['prometheus: { url }', 'source: { probe: READING }'] }),
  ];
}

/** A difference that is only sure is found between any two groups that are large enough. */
function compareFaults(gate: unknown, path: Path): Fault[] {
  const compare = readKey(gate, 'compare');
  if (!isMap(compare)) return [];
  const builtin = builtinOf(gate)?.compare;
  const effects = ['effect', 'relativeEffect'] as const;
  const hasFloor = effects.some((key) => {
    const value = readKey(compare, key) ?? builtin?.[key];
    return value !== undefined && value !== 0;
  });
  // A mistyped key is what was meant to be the floor, and has a fault of its own.
  const isMistyped = Object.keys(compare as object).some((key) => !COMPARE_KEYS.includes(key));
  if (hasFloor || isMistyped) return [];
  const message = 'a comparison needs the smallest difference that matters, larger than 0';
  return [fault([...path, 'compare'], message, { part: 'key', allowed: [...effects] })];
}

function weightFaults(weight: unknown, path: Path): Fault[] {
  return isMap(weight) ? exactlyOne(weight, [...path, 'weight'], ['share', 'quantile']) : [];
}

function builtinOf(gate: unknown): GatePolicy | undefined {
  const use = readKey(gate, 'use');
  const builtins: Readonly<Record<string, GatePolicy>> = BUILTIN_GATES;
  return typeof use === 'string' && Object.hasOwn(builtins, use) ? builtins[use] : undefined;
}

function exactlyOne(value: unknown, path: Path, [first, second]: readonly [string, string]): Fault[] {
  const count = [first, second].filter((key) => has(value, key)).length;
  if (count === 1) return [];
  const message =
    count === 0 ? `one of ${first} and ${second} is missing` : `either ${first} or ${second}, not both`;
  return [fault(path, message, { part: 'key', allowed: [first, second] })];
}
