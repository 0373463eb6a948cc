/** Which part of a journal one rollout is, and whom to look at when it went wrong. Pure. */
import { foldEntries } from '../fold.ts';
import type { Judgement } from '../gate.ts';
import type { HostId } from '../host.ts';
import type { Entry } from '../journal.ts';
import type { EnvironmentState, HostState, RolloutState } from '../state.ts';

export interface Excerpt {
  readonly rollout: RolloutState;
  /** From its plan to the next one's, or to the journal's end. */
  readonly entries: readonly Entry[];
  /** The environment as it was behind the last of them. */
  readonly state: EnvironmentState;
  readonly judgements: readonly {
    readonly seq: number;
    readonly at: number;
    readonly judgement: Judgement;
  }[];
}

/** Ids of the rollouts in a journal, oldest first. */
export function rolloutsOf(entries: readonly Entry[]): string[] {
  return entries.flatMap(({ body }) => (body.kind === 'rollout-planned' ? [body.rolloutId] : []));
}

/** `id` absent: the newest. Null: there is none of that name. */
export function excerptOf(entries: readonly Entry[], id?: string): Excerpt | null {
  const starts = entries.flatMap(({ body }, index) =>
    body.kind === 'rollout-planned' ? [{ id: body.rolloutId, index }] : [],
  );
  const at = id === undefined ? starts.length - 1 : starts.findIndex((start) => start.id === id);
  const start = starts[at];
  if (start === undefined) return null;
  const end = starts[at + 1]?.index ?? entries.length;
  const state = foldEntries(entries.slice(0, end));
  const { rollout } = state;
  if (rollout === null) return null;
  const own = entries.slice(start.index, end);
  const judgements = own.flatMap(({ seq, at: when, body }) =>
    body.kind === 'judged' ? [{ seq, at: when, judgement: body.judgement }] : [],
  );
  return { rollout, entries: own, state, judgements };
}

const IN_TROUBLE: ReadonlySet<HostState> = new Set<HostState>([
  'failed',
  'unreachable',
  'blocked',
  'skipped',
  'reverting',
  'revert-failed',
]);

/** Hosts with whom something went wrong, at whatever time of the rollout, the worst first. */
export function troubledHosts({ rollout, entries, judgements }: Excerpt): HostId[] {
  const now = [...rollout.hosts.values()]
    .filter(({ state }) => IN_TROUBLE.has(state))
    .map(({ host }) => host.id);
  const failed: HostId[] = [];
  const wentBack: HostId[] = [];
  for (const { body } of entries) {
    if (body.kind !== 'hosts-answered') continue;
    for (const { id, outcome } of body.hosts) {
      if (outcome.kind === 'failed') failed.push(id);
      if (outcome.kind === 'went-back') wentBack.push(id);
    }
  }
  const offenders = judgements
    .filter(({ judgement }) => judgement.kind === 'fail')
    .flatMap(({ judgement }) => judgement.gates.filter((gate) => gate.kind === 'fail'))
    .flatMap((gate) => gate.offenders.map(({ hostId }) => hostId));
  return [...new Set([...failed, ...offenders, ...now, ...wentBack])].filter((id) => rollout.hosts.has(id));
}

/** Evaluations worth asking the metrics for again: every fail, and the newest of the others that were no pass. At most `most`. */
export function tellingJudgements({ judgements }: Excerpt, most: number): Excerpt['judgements'] {
  const fails = judgements.filter(({ judgement }) => judgement.kind === 'fail');
  const others = judgements.filter(({ judgement }) => judgement.kind !== 'fail' && judgement.kind !== 'pass');
  const newest = judgements.slice(-1);
  const chosen = new Set([...fails.slice(-most), ...others.slice(-most), ...newest]);
  return judgements.filter((one) => chosen.has(one)).slice(-most);
}
