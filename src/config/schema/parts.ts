/** Kinds of values that the keys of environments and playbooks are made of. Each checks its own text; rules between keys are rules.ts. */
import { z } from 'zod';
import { DURATION_PATTERN, formatDuration, parseDuration } from '../../domain/duration.ts';
import { parseExpression } from '../../domain/expression.ts';
import { MOMENT_EXAMPLES, parseMoment } from '../../domain/moment.ts';
import { nearestWord } from '../../domain/nearest.ts';
import type { Bound } from '../../domain/policy.ts';
import { unanswerable } from '../../domain/withheld-metadata.ts';
import type { FaultDetail } from '../problem.ts';

/** What the reference and the errors say of a value besides its description. */
export interface Note {
  readonly description?: string | undefined;
  /** The value's kind in people's words, such as `duration`. */
  readonly form?: string;
  readonly unit?: string;
  /** What may stand there, by example. */
  readonly allowed?: readonly string[];
  /** Never repeated in an error: somebody may have put the secret itself there. */
  readonly secret?: boolean;
  /** What is said when the key is missing, where there is more to say than that. */
  readonly missing?: string;
}

/** An issue with what was found and what is meant, as `faultsOf` reads it. */
export function issue(input: unknown, message: string, detail: FaultDetail): z.core.$ZodRawIssue {
  return { code: 'custom', input, message, params: { ...detail } };
}

export const DURATION_EXAMPLES = ['500ms', '10s', '30m', '1h30m', '24h', '2d'];

/** Milliseconds. `leastMs` is the smallest that makes sense for the key. */
export function duration(leastMs = 0) {
  return z
    .string()
    .meta({ form: 'duration', allowed: DURATION_EXAMPLES, pattern: DURATION_PATTERN })
    .transform((text, ctx) => {
      const parsed = parseDuration(text);
      if (parsed.ok && parsed.value >= leastMs) return parsed.value;
      const message = parsed.ok
        ? `it must be at least ${formatDuration(leastMs)}`
        : `not a duration: ${parsed.error}`;
      ctx.issues.push(issue(text, message, { found: text, allowed: DURATION_EXAMPLES }));
      return z.NEVER;
    });
}

export function parseBound(value: unknown): Bound | null {
  if (typeof value === 'number')
    return Number.isSafeInteger(value) && value >= 1 ? { kind: 'count', count: value } : null;
  const match = typeof value === 'string' ? /^(\d{1,3}(?:\.\d{1,3})?)%$/.exec(value) : null;
  const percent = Number(match?.[1] ?? Number.NaN);
  return percent > 0 && percent <= 100 ? { kind: 'percent', percent } : null;
}

const BOUND_EXAMPLES = ['10%', '100%', '1', '25'];

/** A number of hosts: a whole number, or a percentage in quotes. */
export function bound() {
  return z
    .union([
      z.string().meta({ pattern: '^\\d{1,3}(\\.\\d{1,3})?%$' }),
      z.number().meta({ type: 'integer', minimum: 1 }),
    ])
    .meta({ form: 'number of hosts or percentage', allowed: BOUND_EXAMPLES })
    .transform((value, ctx): Bound => {
      const parsed = parseBound(value);
      if (parsed !== null) return parsed;
      const message = 'not a number of hosts (1 or more) nor a percentage (over 0%, at most 100%)';
      const meant = typeof value === 'string' && /^\d+$/.test(value) ? { suggestion: `${value}%` } : {};
      ctx.issues.push(issue(value, message, { found: String(value), allowed: BOUND_EXAMPLES, ...meant }));
      return z.NEVER;
    });
}

/** An expression of the targeting language, kept as text. */
export function expression() {
  return z
    .string()
    .meta({ form: 'expression', allowed: ['role == "web" and zone in ["us-east1-b"]'] })
    .check((ctx) => {
      const parsed = parseExpression(ctx.value);
      if (parsed.ok) {
        const wrong = unanswerable(parsed.value);
        if (wrong === null) return;
        const { key, why } = wrong;
        const allowed = [`has(metadata["${key}"])`, 'labels', 'name'];
        const offset = Math.max(0, ctx.value.indexOf(key));
        ctx.issues.push(issue(ctx.value, `it can never be told: ${why}`, { found: key, allowed, offset }));
        return;
      }
      const { column, message, found, allowed, suggestion } = parsed.error;
      const detail = {
        found,
        allowed,
        offset: column - 1,
        ...(suggestion === undefined ? {} : { suggestion }),
      };
      ctx.issues.push(issue(ctx.value, `wrong expression at its column ${column}: ${message}`, detail));
    });
}

/** One word after a pattern; `allowed` says the pattern in words. */
export function word(pattern: RegExp, ...allowed: string[]) {
  return z.string().regex(pattern).meta({ form: 'text', allowed });
}

/** Text of at least one character that is not blank. */
export function someText() {
  return z
    .string()
    .regex(/\S/)
    .meta({ form: 'text', allowed: ['any text'] });
}

const PATH_EXAMPLES = ['relative/to/this/file', '/absolute', '~/in-my-home', '${state}/in-the-state-folder'];

/** Name of a file or folder; expanded when the environment is resolved. */
export function filePath() {
  return z
    .string()
    .regex(/\S/)
    .meta({ form: 'path', allowed: PATH_EXAMPLES })
    .check((ctx) => {
      const text = ctx.value;
      const detail = { allowed: PATH_EXAMPLES, ...(text.includes('\n') ? {} : { found: text }) };
      if (/-----BEGIN/.test(text))
        ctx.issues.push(
          issue(text, 'this is a key itself; write the name of the file it is in', {
            allowed: PATH_EXAMPLES,
          }),
        );
      else if (/\p{Cc}/u.test(text)) ctx.issues.push(issue(text, 'a path has no control characters', detail));
      else if (/^~[^/]/.test(text))
        ctx.issues.push(issue(text, "another user's home is not expanded; write the whole path", detail));
      else if (/\$/.test(text.replace(/^\$\{state\}(?=\/|$)/, ''))) {
        const meant = text.replace(/^\$\{?state\}?(?=\/)/, '${state}');
        const message = 'only `${state}/` at the beginning is expanded; other variables are not';
        ctx.issues.push(issue(text, message, meant === text ? detail : { ...detail, suggestion: meant }));
      }
    });
}

/** Name of an environment variable that holds a secret. Capitals only: a token that somebody pasted here has small letters. */
export function secretEnv() {
  return word(/^[A-Z_][A-Z0-9_]*$/).meta({
    form: 'name of an environment variable',
    allowed: ['NAME_IN_CAPITALS'],
    secret: true,
  });
}

/** Name of a file that holds a secret. */
export function secretFile() {
  return filePath().meta({ form: 'path', allowed: PATH_EXAMPLES, secret: true });
}

/** Date or date and time in ISO form, as ms since the epoch. A bare date is UTC; as an end it means the end of that day. */
export function moment(edge: 'start' | 'end') {
  const allowed = [...MOMENT_EXAMPLES];
  return z
    .string()
    .meta({ form: 'date or time', allowed })
    .transform((text, ctx) => {
      const at = parseMoment(text, edge);
      if (at !== null) return at;
      ctx.issues.push(issue(text, 'not a date (UTC) nor a time with its zone', { found: text, allowed }));
      return z.NEVER;
    });
}

/** Text with `{place}` in it, each one of `places`. */
export function template(places: readonly string[]) {
  return z
    .string()
    .regex(/\S/)
    .meta({ form: 'template', allowed: places.map((place) => `{${place}}`) })
    .check((ctx) => {
      for (const { message, ...detail } of wrongPlaces(ctx.value, places))
        ctx.issues.push(issue(ctx.value, message, detail));
    });
}

/** Every `{place}` of a text that is none of `places`, and every brace that belongs to none. */
export function wrongPlaces(
  text: string,
  places: readonly string[],
): (FaultDetail & { readonly message: string })[] {
  return [...text.matchAll(/\{([^{}]*)\}?|\}/g)].flatMap((match) => {
    const place = match[1] ?? '';
    if (match[0] === `{${place}}` && places.includes(place)) return [];
    const meant = nearestWord(place, places);
    return [
      {
        message: `\`${match[0]}\` is nothing that is filled in`,
        found: match[0],
        allowed: places.map((one) => `{${one}}`),
        offset: match.index,
        ...(meant === null ? {} : { suggestion: `{${meant}}` }),
      },
    ];
  });
}

/** Base URL over HTTP, without credentials. */
export function baseUrl() {
  const allowed = ['https://prometheus.example.com', 'http://10.0.0.5:9090/prefix'];
  return z
    .string()
    .meta({ form: 'URL', allowed, secret: true })
    .check((ctx) => {
      const why = whyNoBaseUrl(ctx.value);
      if (why !== null) ctx.issues.push(issue(ctx.value, why, { allowed }));
    });
}

/** Null when it can be used as Prometheus' base URL. Never repeats the URL: it may hold a password. */
export function whyNoBaseUrl(text: string): string | null {
  if (!URL.canParse(text)) return 'not a URL';
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'only http and https are spoken';
  if (url.username !== '' || url.password !== '')
    return 'credentials do not belong into the URL; use username with passwordEnv or passwordFile';
  if (url.search !== '' || url.hash !== '') return 'a base URL has no query; use `parameters`';
  if (/\/api\/v1\/?$/.test(url.pathname)) return 'leave out `/api/v1`; it is added';
  return null;
}
