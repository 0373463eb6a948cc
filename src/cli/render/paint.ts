/** Colours, columns, folding and clock times for people. Colour never carries meaning alone. */
import { unbreakables } from './unbreakable.ts';

export interface Paint {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly strong: (text: string) => string;
  /** Columns to fold at; Infinity in a pipe, where a line stays a line. */
  readonly width: number;
}

const plain = (text: string): string => text;
const sgr =
  (code: number, end: number) =>
  (text: string): string =>
    `\u001b[${code}m${text}\u001b[${end}m`;

export function createPaint(color: boolean, width = Number.POSITIVE_INFINITY): Paint {
  if (!color) return { good: plain, bad: plain, warn: plain, dim: plain, strong: plain, width };
  return {
    good: sgr(32, 39),
    bad: sgr(31, 39),
    warn: sgr(33, 39),
    dim: sgr(2, 22),
    strong: sgr(1, 22),
    width,
  };
}

/** UTC, since a fleet has many time zones: `2026-11-21 03:12:05Z`. */
export function moment(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')}Z`;
}

/** Time of day, UTC. */
export function timeOfDay(at: number): string {
  return new Date(at).toISOString().slice(11, 19);
}

/** Plain text of a host, a log or a person, made harmless for a terminal: one line, no control characters, no marks that turn its direction. */
export function harmless(text: string): string {
  // biome-ignore lint: control characters are what this is about
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]+/gu, ' ').trim();
}

/** Left-aligned columns, two spaces apart; the last one is not padded, and folded below itself at `width`. */
export function columns(rows: readonly (readonly string[])[], width = Number.POSITIVE_INFINITY): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, visibleLength(cell));
    });
  }
  return rows.flatMap((row) => {
    const before = row
      .slice(0, -1)
      .map((cell, index) => `${cell}${' '.repeat((widths[index] ?? 0) - visibleLength(cell))}  `)
      .join('');
    return hanging(before, row.at(-1) ?? '', width).map((line) => line.trimEnd());
  });
}

/** `text` behind `before`; what does not fit goes below the text's own beginning, and all of it where there is no room for that. */
export function hanging(before: string, text: string, width: number): string[] {
  const at = visibleLength(before);
  if (at > BELOW && width - at < Math.min(NARROWEST, visibleLength(text)))
    return [before.trimEnd(), ...fold(text, width - BELOW).map((line) => ' '.repeat(BELOW) + line)];
  const [first = '', ...rest] = fold(text, width - at);
  return [before + first, ...rest.map((line) => ' '.repeat(at) + line)];
}

/** No narrower than this: a column of single words helps nobody. */
export const NARROWEST = 24;

/** Indent of a text that stands below what it belongs to. */
const BELOW = 6;

/** Breaks between words only, and in no command, so that a digest, a path or what is to be typed stays whole and can be copied. */
export function fold(text: string, width: number): string[] {
  if (visibleLength(text) <= width) return [text];
  const lines: string[] = [];
  let line = '';
  for (const word of unbreakables(text)) {
    if (line !== '' && visibleLength(line) + 1 + visibleLength(word) > Math.max(width, NARROWEST)) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** Columns that it takes: without its colours. */
export function visibleLength(text: string): number {
  return text.replace(/\u001b\[\d+m/gu, '').length;
}

/** A label column and its values, as the ending of a command prints them. A command to type is never folded. */
export function facts(rows: readonly (readonly [label: string, value: string])[], paint: Paint): string[] {
  const labels = Math.max(0, ...rows.map(([label]) => label.length));
  return rows.flatMap(([label, value]) =>
    whole(`  ${paint.dim(label.padEnd(labels))}  `, value, { indent: 4, width: paint.width }),
  );
}

/** As `hanging`; a command that there is no room for behind `before` gets lines of its own below, indented by `indent`. */
export function whole(
  before: string,
  text: string,
  { indent, width }: { readonly indent: number; readonly width: number },
): string[] {
  const room = Math.max(width - visibleLength(before), NARROWEST);
  const fits = visibleLength(text) <= room || unbreakables(text).every((unit) => isRoomFor(unit, room));
  if (fits) return hanging(before, text, width);
  return [before.trimEnd(), ...fold(text, width - indent).map((line) => ' '.repeat(indent) + line)];
}

/** A path or a digest is no better off on a line of its own. */
function isRoomFor(unit: string, room: number): boolean {
  return !unit.includes(' ') || visibleLength(unit) <= room;
}

/** `1 host`, `4 hosts`. */
export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

/** At most `most` names, then how many more. */
export function someOf(names: readonly string[], most: number): string {
  const more = names.length - most;
  return more > 0 ? `${names.slice(0, most).join(', ')} and ${more} more` : names.join(', ');
}

/** Bytes for people: `42.1 MB`, `3.4 kB`. */
export function sizeText(bytes: number): string {
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e3).toFixed(1)} kB`;
}
