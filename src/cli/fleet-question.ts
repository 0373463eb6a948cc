/** What `fleet`, `coverage` and `whois` are asked: the options that they share, read and checked. */
import { systemClock } from '../adapters/clock/system-clock.ts';
import { AGENT_EXPRESSION_GUIDE, type Expression, parseExpression } from '../domain/expression.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { parseTimeAsked } from '../domain/time-asked.ts';
import { unanswerable } from '../domain/withheld-metadata.ts';
import { type Refusal, refuse } from '../engine/context.ts';
import type { FleetQuestion } from '../engine/fleet-report.ts';
import { flag, type Invocation, textOption } from './invocation.ts';

/** `--at`, `--no-look`, `--record` and `--where` together. */
export function fleetQuestion(invocation: Invocation): Result<FleetQuestion, Refusal> {
  const at = timeAsked(invocation);
  if (!at.ok) return at;
  const where = whereAsked(invocation);
  if (!where.ok) return where;
  const how =
    at.value !== null
      ? ({ kind: 'recorded', at: at.value } as const)
      : ({ kind: invocation.options.look === false ? 'list' : 'look' } as const);
  return ok({
    how,
    ...(where.value === null ? {} : { where: where.value }),
    record: flag(invocation, 'record'),
  });
}

/** `--at`, ms since the epoch; null where it is not given. */
export function timeAsked(invocation: Invocation): Result<number | null, Refusal> {
  const text = textOption(invocation, 'at');
  if (text === undefined) return ok(null);
  const parsed = parseTimeAsked(text, systemClock.now());
  if (parsed.ok) return parsed;
  const next = '--at 2026-11-20T18:00Z, --at 2026-11-20 (the end of that day) or --at 2h (ago)';
  return err(refuse('usage', 'bad-time', `--at ${JSON.stringify(text)}: ${parsed.error}`, { next }));
}

function whereAsked(invocation: Invocation): Result<Expression | null, Refusal> {
  const text = textOption(invocation, 'where');
  return text === undefined ? ok(null) : expressionAsked(text);
}

/** `--where`, read and checked. `agent`: it may ask for version, state and hold, which only a look at the host tells. */
export function expressionAsked(
  text: string,
  options: { readonly agent?: boolean } = {},
): Result<Expression, Refusal> {
  const parsed = parseExpression(text, options);
  if (parsed.ok) {
    const wrong = unanswerable(parsed.value);
    if (wrong === null) return parsed;
    return err(
      refuse('usage', 'bad-expression', `--where can never be told: ${wrong.why}`, {
        next: `--where 'has(metadata["${wrong.key}"])' asks whether a VM has it`,
      }),
    );
  }
  const { column, message, allowed, suggestion } = parsed.error;
  return err(
    refuse('usage', 'bad-expression', `--where is wrong at its column ${column}: ${message}`, {
      details: [
        text.replaceAll(/\s/g, ' '),
        `${' '.repeat(Math.max(0, column - 1))}^`,
        ...(options.agent === true ? AGENT_EXPRESSION_GUIDE : []),
      ],
      next:
        options.agent === true && HELD_STATE.test(text.slice(Math.max(0, column - 1)))
          ? '`status` shows a hold as a state, and it is asked for with has(hold)'
          : suggestion === undefined || suggestion === null
            ? `allowed there: ${allowed.join(', ')}`
            : `did you mean ${suggestion}?`,
    }),
  );
}

/** What is wrong stands first: a word that STATE has of a host that is held. */
const HELD_STATE = /^["'](held|hold-due|hold|due)["']/iu;
