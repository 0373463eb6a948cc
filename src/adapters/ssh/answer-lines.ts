/**
 * Reads a host program's output as it arrives: JSON lines after a `begin`, whatever else a login shell says around them.
 *
 * AL1  Nothing before `begin` counts: motd and profile noise are not the program's. AL2  Memory is bounded.
 */
import { StringDecoder } from 'node:string_decoder';
import type { HostStep } from '../../domain/host-order.ts';

export interface AnswerLines {
  push(chunk: Uint8Array): void;
  /** Takes a last line that lacks its line feed. */
  end(): void;
  readonly steps: readonly HostStep[];
  /** `begin` was seen: the program ran. */
  readonly begun: boolean;
  /** More than the bound came; what came after it is lost. */
  readonly overflowed: boolean;
}

const BEGIN = '{"step":"begin"';

/** `maxBytes` bounds the whole output, default 1 MiB; a program's answer is some 2 KiB. */
export function createAnswerLines(onStep?: (step: HostStep) => void, maxBytes = 1024 * 1024): AnswerLines {
  const decoder = new StringDecoder('utf8');
  const steps: HostStep[] = [];
  let rest = '';
  let taken = 0;
  let begun = false;
  let overflowed = false;

  const takeLine = (line: string): void => {
    const step = readStep(begun ? line : withoutNoise(line));
    if (step === null) return;
    if (!begun) {
      if (step.step !== 'begin') return;
      begun = true;
    }
    steps.push(step);
    onStep?.(step);
  };

  return {
    push(chunk) {
      if (overflowed) return;
      taken += chunk.length;
      if (taken > maxBytes) {
        overflowed = true;
        rest = '';
        return;
      }
      const lines = (rest + decoder.write(chunk)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) takeLine(line);
    },
    end() {
      if (!overflowed) takeLine(rest + decoder.end());
      rest = '';
    },
    steps,
    get begun() {
      return begun;
    },
    get overflowed() {
      return overflowed;
    },
  };
}

/** A prompt or a motd without a line feed may stand before `begin` on its line. */
function withoutNoise(line: string): string {
  const at = line.indexOf(BEGIN);
  return at > 0 ? line.slice(at) : line;
}

function readStep(line: string): HostStep | null {
  const text = line.trim();
  if (!text.startsWith('{')) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  return isStep(value) ? value : null;
}

function isStep(value: unknown): value is HostStep {
  if (typeof value !== 'object' || value === null) return false;
  const { step, ok } = value as { step?: unknown; ok?: unknown };
  return typeof step === 'string' && typeof ok === 'boolean';
}
