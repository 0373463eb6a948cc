/** A gate's numbers in tables and lines, by its unit: bytes as people read them, the same everywhere as in a verdict's sentence. */
import { amount } from '../../domain/verdict-words.ts';

/** `0.031`, `71 MB`. */
export function gateNumber(value: number, unit: string): string {
  return unit === 'bytes' && Number.isFinite(value) ? inBytes(value) : short(value);
}

/** `0.1 cores`, `250 MB`. */
export function gateAmount(value: number, unit: string): string {
  return unit === 'bytes' && Number.isFinite(value) ? inBytes(value) : `${short(value)} ${unit}`;
}

function inBytes(value: number): string {
  return amount(value, { unit: 'bytes', direction: 'above', limit: value, forMs: 0 });
}

/** Three significant figures, so that 59768832 bytes reads 5.98e+7 only where it must. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1e9) return `${(value / 1e9).toPrecision(3)}G`;
  if (size >= 1e6) return `${(value / 1e6).toPrecision(3)}M`;
  if (size >= 1e4) return `${(value / 1e3).toPrecision(3)}k`;
  return Number(value.toPrecision(3)).toString();
}
