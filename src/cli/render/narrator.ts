/**
 * Tells a running rollout on stderr: one line for every durable step, and on a terminal one live line below them for
 * what is under way. With `--json` every event goes to stdout instead, as it is.
 */

import { timeOfDay as clockTime } from '../../domain/armed.ts';
import type { EngineEvent, Tell } from '../../domain/event.ts';
import type { Entry } from '../../domain/journal.ts';
import type { Invocation } from '../invocation.ts';
import { jsonLine } from '../json-lines.ts';
import { entryLine, type HostNames, isGood, learnNames, outcomeInWords } from './entry-line.ts';
import { type LifecycleProgress, lifecycleProgress, type ProgressOptions } from './lifecycle-progress.ts';
import { createPaint, hanging, harmless, type Paint, timeOfDay } from './paint.ts';

/** Up to so many hosts at work get a line each; beyond that only the troubled ones do. */
const FEW_HOSTS = 24;

/** A verdict that stays the same is told again after so long, ms. */
const VERDICT_EVERY_MS = 10 * 60_000;

const FRAME: ReadonlySet<string> = new Set(['begin', 'end']);

const STAGE_ENDS: ReadonlySet<string> = new Set(['wave-started', 'bake-started', 'rollback-started']);

export interface Narrator {
  readonly tell: Tell;
  /** Host names known from before this run. */
  readonly names: HostNames;
  /** A lifecycle action over so many hosts begins: its answers are counted. */
  countLifecycle(action: Omit<ProgressOptions, 'output' | 'paint'>): void;
  /** Ends the live line. */
  close(): void;
}

export function createNarrator(invocation: Invocation): Narrator {
  const names: HostNames = new Map();
  if (invocation.json) {
    return {
      names,
      // Steps of single hosts are noise for a program: the outcome follows.
      tell: (event) => {
        if (event.kind !== 'host-step') jsonLine(invocation, 'event', { event });
      },
      countLifecycle: () => {},
      close: () => {},
    };
  }
  const paint = createPaint(invocation.output.color, invocation.output.foldAt);
  const { output } = invocation;
  let lastWaiting = '';
  let lastVerdict: { readonly kind: string; readonly at: number } | null = null;
  let batch = 0;
  let progress: LifecycleProgress | null = null;
  /** A verdict is news when it is another one, or after a while; a day's bake is not 1,440 lines. */
  const isNews = (entry: Entry): boolean => {
    if (entry.body.kind !== 'judged') {
      if (STAGE_ENDS.has(entry.body.kind)) lastVerdict = null;
      return true;
    }
    const { kind } = entry.body.judgement;
    if (lastVerdict?.kind === kind && entry.at - lastVerdict.at < VERDICT_EVERY_MS) return false;
    lastVerdict = { kind, at: entry.at };
    return true;
  };
  const line = (event: EngineEvent, text: string): void => {
    const before = `${paint.dim(timeOfDay(event.at))} ${event.environment}  `;
    for (const one of hanging(before, text, paint.width)) output.err(one);
  };
  const tell: Tell = (event) => {
    switch (event.kind) {
      case 'recorded': {
        learnNames(event.entry, names);
        if (event.entry.body.kind !== 'judged') lastWaiting = '';
        if (event.entry.body.kind === 'hosts-intended') batch = event.entry.body.hosts.length;
        // The answers of a lifecycle action are counted as they come, and its end tells of the second look. Who is still trying
        // silent hosts then, for hours maybe, hears of it when it comes.
        const isNow = event.entry.body.kind === 'lifecycle-settled' && progress?.isOver() === false;
        if (event.entry.body.kind.startsWith('lifecycle-') && !isNow) return;
        const text = entryLine(event.entry, names, paint);
        const spelled = event.entry.body.kind === 'hosts-answered' && batch <= FEW_HOSTS;
        if (text !== null && !spelled && isNews(event.entry)) line(event, text);
        output.live('');
        return;
      }
      case 'host-answered': {
        const good = isGood(event.outcome);
        if (batch > FEW_HOSTS && good) return;
        line(event, `  ${hostLine(event, good, paint)}`);
        return;
      }
      case 'host-step':
        output.live(stepLine(event));
        return;
      case 'waiting': {
        const until = event.until === null ? '' : ` (looks again ${timeOfDay(event.until)})`;
        output.live(harmless(`${event.environment}: ${event.reason.message}${until}`));
        // A pipe gets each new reason once; the numbers inside a reason change all the time.
        if (event.reason.code === lastWaiting) return;
        lastWaiting = event.reason.code;
        line(event, paint.dim(`${event.reason.code}: ${harmless(event.reason.message)}`));
        return;
      }
      case 'notice':
        line(event, paint.warn(harmless(event.reason.message)));
        return;
      case 'lifecycle-answered':
        progress?.answered(event);
        return;
      default:
        event satisfies never;
    }
  };
  return {
    names,
    tell,
    countLifecycle: (action) => {
      progress = lifecycleProgress({ ...action, output, paint });
    },
    close: () => output.live(''),
  };
}

/** `begin` and `end` frame every program and say nothing of their own. */
function stepLine({ host, action, step }: Extract<EngineEvent, { kind: 'host-step' }>): string {
  const now = step.step === action || FRAME.has(step.step) ? '' : `: ${step.step}`;
  return harmless(`${action} ${host.name}${now}`);
}

function hostLine(
  event: Extract<EngineEvent, { kind: 'host-answered' }>,
  good: boolean,
  paint: Paint,
): string {
  const { outcome } = event;
  const mark = good ? paint.good('ok') : paint.bad('!!');
  const version =
    event.outcome.kind === 'verified' || event.outcome.kind === 'reverted'
      ? ` ${event.outcome.packageVersion}`
      : '';
  const back =
    outcome.kind === 'verified' && outcome.armedMs !== undefined && event.action === 'upgrade'
      ? `; goes back by itself at ${clockTime(event.at + outcome.armedMs, event.at)} unless confirmed`
      : '';
  return `${mark} ${event.host.name}${version} ${outcomeInWords(outcome)} (${(event.tookMs / 1000).toFixed(1)}s)${back}`;
}
