/** Holds counted in words: a wish that no host has confirmed is never told as a stopped agent. */
import type { HeldHost } from '../../domain/state.ts';
import { count, harmless, someOf } from './paint.ts';

/** Hosts without their own word for it that are named. */
const MOST_NAMED = 5;

/** `8 hosts held stopped`; where a host has not said so itself `12 wished, 11 confirmed: web-03 may still run`. `noun`: `host` or `VM`. */
export function heldWords(holds: readonly Pick<HeldHost, 'name' | 'state'>[], noun: string): string {
  const wished = holds.filter(({ state }) => state === 'wished').map(({ name }) => name);
  return wishedWords(holds.length, wished) ?? `${count(holds.length, noun)} held stopped`;
}

/** `2 wished, 1 confirmed: web-03 may still run`; null: all of them are confirmed. */
export function wishedWords(all: number, unconfirmed: readonly string[]): string | null {
  if (unconfirmed.length === 0) return null;
  const names = someOf(unconfirmed.map(harmless), MOST_NAMED);
  return `${all} wished, ${all - unconfirmed.length} confirmed: ${names} may still run`;
}
