/** Numbers, names and times as a verdict's sentence has them. Pure. */
import type { GatePolicy } from './policy.ts';

/** What a gate's numbers are, and which of them are bad. */
export type WordedGate = Pick<GatePolicy, 'unit' | 'direction' | 'limit' | 'forMs'>;

/** A number with its unit. `beside` is what it will be compared with by eye: the two must not be rounded to the same text. */
export function amount(value: number, gate: WordedGate, beside: number = gate.limit): string {
  const [scale, unit] =
    gate.unit === 'bytes' ? byteScale(Math.max(Math.abs(value), Math.abs(beside))) : [1, gate.unit];
  return `${apart(value / scale, beside / scale)} ${unit}`;
}

/** `0.071 against 0.03`; bytes with their unit, said once. */
export function twoAmounts(value: number, beside: number, gate: WordedGate): string {
  const [scale, unit] =
    gate.unit === 'bytes' ? byteScale(Math.max(Math.abs(value), Math.abs(beside))) : [1, ''];
  const [a, b] = [value / scale, beside / scale];
  return `${apart(a, b)} against ${apart(b, a)}${unit === '' ? '' : ` ${unit}`}`;
}

/** At least three digits, and as many as tell the number from the other. */
function apart(value: number, beside: number): string {
  for (let digits = 3; digits < 15; digits += 1) {
    const text = String(Number(value.toPrecision(digits)));
    if (value === beside || text !== String(Number(beside.toPrecision(digits)))) return text;
  }
  return String(value);
}

function byteScale(value: number): readonly [number, string] {
  if (value >= 1e9) return [1e9, 'GB'];
  if (value >= 1e6) return [1e6, 'MB'];
  if (value >= 1e3) return [1e3, 'kB'];
  return [1, 'bytes'];
}

/** `p 0.003`, `p < 0.001`. */
export function chanceText(p: number): string {
  return p < 0.001 ? 'p < 0.001' : `p ${Number(p.toPrecision(2))}`;
}

/** At most three, then how many more. */
export function names(hosts: readonly string[]): string {
  const rest = hosts.length - 3;
  if (rest <= 0) return hosts.join(', ');
  return `${hosts.slice(0, 3).join(', ')} and ${rest} ${rest === 1 ? 'other' : 'others'}`;
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** Time of day, UTC. */
export function clock(at: number): string {
  return `${new Date(at).toISOString().slice(11, 19)} UTC`;
}

export function span(ms: number): string {
  if (ms >= 3_600_000 && ms % 3_600_000 === 0) return `${ms / 3_600_000}h`;
  if (ms >= 60_000 && ms % 60_000 === 0) return `${ms / 60_000}m`;
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}
