/** Loki's own words out of a refusal: plain text, or JSON as Prometheus has it, or {code, message, status}. */
import { isRecord } from '../../domain/is-record.ts';
import { parseJson } from '../http/reply.ts';

export function readErrorWords(text: string): string | undefined {
  const body = parseJson(text);
  if (isRecord(body)) {
    const words = body['message'] ?? body['error'];
    return typeof words === 'string' ? withHint(words.slice(0, 1_000)) : undefined;
  }
  const line = text.trim();
  // A page of a proxy is not Loki's.
  return line === '' || line.startsWith('<')
    ? undefined
    : withHint(line.slice(0, 300).replaceAll(/\s+/g, ' '));
}

function withHint(words: string): string {
  return /maximum of series/.test(words)
    ? `${words}; write the host label with =~"$hosts" into the query, so that it is asked in parts`
    : words;
}
