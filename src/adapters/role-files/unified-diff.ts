/** Two texts of one file as a unified diff of one hunk, as `git diff` writes it and `git apply` takes it. Pure. */
import { createHash } from 'node:crypto';

/** Lines around a change, as diff's own default. */
const CONTEXT = 3;

/**
 * Empty when the texts are the same. The `index` line has both whole texts' digests, so that two equal diffs are of the same texts.
 */
export function unifiedDiff(name: string, before: string, after: string): string {
  if (before === after) return '';
  const old = linesOf(before);
  const young = linesOf(after);
  const least = Math.min(old.length, young.length);
  let head = 0;
  while (head < least && old[head] === young[head]) head++;
  let tail = 0;
  while (tail < least - head && old[old.length - 1 - tail] === young[young.length - 1 - tail]) tail++;
  const first = Math.max(0, head - CONTEXT);
  const behind = Math.min(tail, CONTEXT);
  const oldEnd = old.length - tail;
  const youngEnd = young.length - tail;
  return [
    `diff --git a/${name} b/${name}\n`,
    `index ${blobId(before)}..${blobId(after)} 100644\n`,
    `--- a/${name}\n`,
    `+++ b/${name}\n`,
    `@@ -${range(first, oldEnd + behind)} +${range(first, youngEnd + behind)} @@\n`,
    ...marked(' ', old.slice(first, head)),
    ...marked('-', old.slice(head, oldEnd)),
    ...marked('+', young.slice(head, youngEnd)),
    ...marked(' ', old.slice(oldEnd, oldEnd + behind)),
  ].join('');
}

/** Each with its line end. */
function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

function range(first: number, end: number): string {
  const count = end - first;
  return `${count === 0 ? first : first + 1}${count === 1 ? '' : `,${count}`}`;
}

function marked(sign: string, lines: readonly string[]): string[] {
  return lines.map((line) =>
    line.endsWith('\n') ? sign + line : `${sign}${line}\n\\ No newline at end of file\n`,
  );
}

/** Git's name of a file's content, shortened. */
function blobId(text: string): string {
  const bytes = Buffer.from(text);
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex').slice(0, 16);
}
