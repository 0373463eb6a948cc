/** A journal entry of the lifecycle in words, for `history`. */
import type { Entry, EntryBody } from '../../domain/journal.ts';
import type { AnsweredAction } from '../../domain/lifecycle.ts';
import { doneWord, lifecycleOutcomeInWords } from './lifecycle-words.ts';
import { count, harmless, moment, type Paint, someOf } from './paint.ts';

type LifecycleBody = Extract<
  EntryBody,
  {
    kind:
      | 'lifecycle-intended'
      | 'lifecycle-answered'
      | 'lifecycle-settled'
      | 'lifecycle-ended'
      | 'role-file-changed';
  }
>;

/** An entry that reached the journal this much later than it happened says so, ms. */
const LATE_MS = 60_000;

const MOST_NAMED = 6;

export function lifecycleLine(entry: Entry, body: LifecycleBody, paint: Paint): string {
  const late =
    entry.at - body.happenedAt > LATE_MS ? paint.warn(` (happened ${moment(body.happenedAt)})`) : '';
  return `${wordsOf(entry, body, paint)}${late}`;
}

function wordsOf(entry: Entry, body: LifecycleBody, paint: Paint): string {
  switch (body.kind) {
    case 'lifecycle-intended': {
      const verb = `${body.verb}${body.now ? ' --now' : ''}`;
      const names = someOf(
        body.hosts.map(({ name }) => harmless(name)),
        MOST_NAMED,
      );
      const hold = body.hold === undefined ? '' : `, hold due ${moment(body.hold.until)}`;
      const reason = harmless(body.hold?.reason ?? entry.reason ?? '');
      const text = `${body.actionId}: ${verb} of ${count(body.hosts.length, 'host')}${hold}: ${names}${reason === '' ? '' : ` (${reason})`}`;
      return body.emergency ? paint.bad(`EMERGENCY ${text}`) : text;
    }
    case 'lifecycle-answered':
      return answeredLine(body.hosts, doneWord(body.verb, body.now), paint);
    case 'lifecycle-settled': {
      const all = body.stayedDown + body.startedAgain.length + body.unseen.length;
      const again = namesOf(body.startedAgain, 'started again', paint.bad);
      const unseen = namesOf(body.unseen, 'not seen', paint.warn);
      return `${body.actionId}: second look: stayed down ${body.stayedDown}/${all}${again}${unseen}`;
    }
    case 'lifecycle-ended': {
      const not = body.notCovered.map(({ name, why }) => `${harmless(name)} (${harmless(why)})`);
      const rest = not.length === 0 ? '' : paint.bad(`; NOT covered: ${someOf(not, MOST_NAMED)}`);
      return `${body.actionId}: ended: ${body.covered} covered${rest}`;
    }
    case 'role-file-changed': {
      const { file, path, before, after, commit } = body.change;
      const where =
        commit === null ? 'not committed' : `commit ${commit.id.slice(0, 12)} on ${harmless(commit.branch)}`;
      return `${harmless(file)}: ${harmless(path.join('.'))} ${before ?? 'absent'} -> ${after ?? 'absent'}, ${where}`;
    }
    default:
      return body satisfies never;
  }
}

function answeredLine(hosts: readonly AnsweredAction[], done: string, paint: Paint): string {
  const good = hosts.filter(({ outcome }) => outcome.kind === 'proven' || outcome.kind === 'gone');
  const other = hosts.filter(({ outcome }) => outcome.kind !== 'proven' && outcome.kind !== 'gone');
  const parts = good.length === 0 ? [] : [paint.good(`${count(good.length, 'host')} ${done}`)];
  for (const { name, outcome } of other.slice(0, 5))
    parts.push(paint.bad(`${harmless(name)} ${lifecycleOutcomeInWords(outcome)}`));
  if (other.length > 5) parts.push(paint.bad(`and ${other.length - 5} more not`));
  return parts.join('; ');
}

function namesOf(
  hosts: readonly { readonly name: string }[],
  what: string,
  colour: (text: string) => string,
): string {
  if (hosts.length === 0) return '';
  return `; ${colour(
    `${what}: ${someOf(
      hosts.map(({ name }) => harmless(name)),
      MOST_NAMED,
    )}`,
  )}`;
}
