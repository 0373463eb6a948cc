/** From a place in a YAML scalar's value to the place in the file that it was written at. */
import { isScalar, type Node } from 'yaml';

/** Where the n-th character of a scalar's value stands in the file: quotes, escapes and block indentation shift it. */
export function textOffset(text: string, node: Node, offset: number): number {
  const [start, end] = node.range ?? [0, 0];
  const source = text.slice(start, end);
  const style = isScalar(node) ? node.type : undefined;
  if (style === 'PLAIN') return source.includes('\n') ? start : start + Math.min(offset, source.length);
  if (style === 'QUOTE_SINGLE' || style === 'QUOTE_DOUBLE') {
    if (source.includes('\n')) return start;
    let at = 1;
    for (let seen = 0; seen < offset && at < source.length - 1; seen++)
      at += style === 'QUOTE_SINGLE' ? singleWidth(source, at) : escapeWidth(source, at);
    return start + at;
  }
  return blockOffset(text, start, end, offset);
}

function singleWidth(source: string, at: number): number {
  return source.startsWith("''", at) ? 2 : 1;
}

function escapeWidth(source: string, at: number): number {
  if (source[at] !== '\\') return 1;
  const long: Readonly<Record<string, number>> = { x: 4, u: 6, U: 10 };
  return long[source[at + 1] ?? ''] ?? 2;
}

/** Literal and folded blocks: each line loses its indentation, and keeps one character for its end. */
function blockOffset(text: string, start: number, end: number, offset: number): number {
  let lineStart = text.indexOf('\n', start) + 1;
  if (lineStart === 0 || lineStart >= end) return start;
  const indent = /^(?:[ \t]*\r?\n)*( *)/.exec(text.slice(lineStart, end))?.[1]?.length ?? 0;
  let left = offset;
  while (lineStart < end) {
    const lineEnd = text.indexOf('\n', lineStart);
    const stop = lineEnd < 0 || lineEnd > end ? end : lineEnd;
    const ending = text[stop - 1] === '\r' ? 1 : 0;
    const length = Math.max(0, stop - ending - lineStart - indent);
    if (left <= length) return Math.min(lineStart + indent + left, end);
    left -= length + 1;
    lineStart = stop + 1;
  }
  return Math.max(start, end - 1);
}
