/** What rules between keys ask of a value whose shape nobody has checked. */
import { type Fault, fault } from './problem.ts';
import { readKey } from './schema-walk.ts';

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function has(value: unknown, key: string): boolean {
  return readKey(value, key) !== undefined;
}

export function isMap(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Exactly one of two keys. */
export function oneOf(value: unknown, path: string, [first, second]: readonly [string, string]): Fault[] {
  if (!isMap(value)) return [];
  if (has(value, first) && has(value, second)) {
    return [
      fault([path, second], `either ${first} or ${second}, not both`, {
        part: 'key',
        found: `${first} and ${second}`,
      }),
    ];
  }
  if (has(value, first) || has(value, second)) return [];
  return [
    fault([path], `one of ${first} and ${second} is missing`, { part: 'key', allowed: [first, second] }),
  ];
}

export function notBoth(value: unknown, path: string, [first, second]: readonly [string, string]): Fault[] {
  return has(value, first) && has(value, second) ? oneOf(value, path, [first, second]) : [];
}
