/**
 * From a gate's template to PromQL text: one query a gate and wave, cut into several only where the host list is long.
 *
 * Q1  A host's label value is matched literally and alone: it is escaped for RE2, then for the PromQL string it stands in.
 * Q2  Text that came from outside never ends the string it stands in.
 */
import type { GatePolicy } from './policy.ts';

export interface QueryFillings {
  /** Name of the label that names the host, such as `fqdn`. */
  readonly label: string;
  /** The label's value of each host, unescaped. */
  readonly hostValues: readonly string[];
  /** The agent's process group, such as `osqueryd`. */
  readonly process: string;
  /** Further matchers such as `env="gprd"`, with or without commas around; may be empty. */
  readonly matchers: string;
  /** Name of the environment; absent: empty. */
  readonly environment?: string;
}

/**
 * Longest regular expression over hosts in one query, characters. Prometheus has no limit of its own, but proxies before it
 * do; with four host lists in a query and 25 characters a name this is some 300 hosts and 32 kB of form body.
 */
export const MAX_HOSTS_PATTERN = 8_000;

/** Longest query that is shown whole, characters: verdicts go into the journal. */
const MAX_SHOWN = 2_000;

type Quote = '"' | "'" | '`' | null;

/** The queries of one gate, together over every host value; none when there are no hosts. */
export function renderQuery(gate: GatePolicy, fillings: QueryFillings): readonly string[] {
  return chunk(fillings.hostValues).map((values) => fill(gate, { ...fillings, hostValues: values }));
}

/** What a person is shown for them: the query as sent, or with its host list cut where it is long. */
export function showQuery(gate: GatePolicy, fillings: QueryFillings): string {
  const queries = renderQuery(gate, fillings);
  const [first] = queries;
  if (first !== undefined && queries.length === 1 && first.length <= MAX_SHOWN) return first;
  const shown = fill(gate, { ...fillings, hostValues: fillings.hostValues.slice(0, 3) });
  const hosts = fillings.hostValues.length;
  return hosts <= 3 ? shown : `${shown} # and ${hosts - 3} more hosts, in ${queries.length} queries`;
}

/** A duration as PromQL writes it: whole seconds where it can be, such as `60s`, else `1500ms`. */
export function promDuration(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

/** Escapes a text so that RE2 matches it literally. */
export function escapeRe2(text: string): string {
  return text.replaceAll(/[\\.+*?()|[\]{}^$]/g, (found) => `\\${found}`);
}

function chunk(values: readonly string[]): readonly (readonly string[])[] {
  const chunks: string[][] = [];
  let length = 0;
  for (const value of values) {
    const size = escapeRe2(value).length + 1;
    const last = chunks.at(-1);
    if (last === undefined || length + size > MAX_HOSTS_PATTERN) {
      chunks.push([value]);
      length = size;
    } else {
      last.push(value);
      length += size;
    }
  }
  return chunks;
}

const PLACES = /\\.|["'`]|\$(?:hosts|label|window|process|matchers|environment)\b/gs;

function fill(gate: GatePolicy, fillings: QueryFillings): string {
  const { label, hostValues, process, matchers, environment = '' } = fillings;
  const pattern = hostValues.map(escapeRe2).join('|');
  const trimmed = matchers.replaceAll(/^[\s,]+|[\s,]+$/g, '');
  let quote: Quote = null;
  // One walk, so that a placeholder is known to stand in a string, and in which kind.
  return gate.query.replaceAll(PLACES, (found) => {
    switch (found) {
      case '"':
      case "'":
      case '`':
        if (quote === null) quote = found;
        else if (quote === found) quote = null;
        return found;
      case '$hosts':
        return quote === '`' ? pattern.replaceAll('`', '\\x60') : inString(pattern, quote);
      case '$process':
        return quote === '`' ? process.replaceAll('`', '') : inString(process, quote);
      case '$environment':
        return quote === '`' ? environment.replaceAll('`', '') : inString(environment, quote);
      case '$label':
        return label;
      case '$window':
        return promDuration(gate.windowMs);
      case '$matchers':
        return trimmed === '' ? '' : `,${trimmed}`;
      default:
        // An escaped character; in a raw string the backslash escapes nothing, so this may be its end.
        if (quote === '`' && found === '\\`') quote = null;
        return found;
    }
  });
}

/** PromQL strings escape as Go's do: the other kind of quote must stay as it is. */
function inString(text: string, quote: Quote): string {
  return text.replaceAll(/[\\"'\p{Cc}]/gu, (found) => {
    if (found === '\\' || found === quote) return `\\${found}`;
    if (found === '"' || found === "'") return found;
    return `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
