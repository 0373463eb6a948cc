/** Reads what the other environments of a line have in quarantine, for whoever only wants to see it: waits for nobody long. */
import type { ElsewhereQuarantine } from '../domain/held-elsewhere.ts';
import type { EngineContext } from './context.ts';
import { readState } from './start-rollout.ts';

/** Longest wait for one journal, ms: who looks at an environment at night must not wait for another one's bucket. */
const PATIENCE_MS = 3_000;

/** Reads each journal once, whoever asks for it: a look at all environments would else read each of them again for every other one. */
export function readingOnce(): typeof readState {
  const read = new Map<string, ReturnType<typeof readState>>();
  return (context) => {
    const { name } = context.environment;
    const state = read.get(name) ?? readState(context);
    read.set(name, state);
    return state;
  };
}

export interface Elsewhere {
  readonly told: readonly ElsewhereQuarantine[];
  /** Environments whose journal did not answer, or not in time: of them nothing is known. */
  readonly unread: readonly string[];
}

export async function readElsewhere(
  others: readonly EngineContext[],
  readOf: typeof readState = readState,
): Promise<Elsewhere> {
  const read = await Promise.all(
    others.map(async (context) => ({ name: context.environment.name, state: await inTime(context, readOf) })),
  );
  return {
    told: read.flatMap(({ name, state }) =>
      state?.ok === true ? [{ environment: name, quarantine: state.value.quarantine }] : [],
    ),
    unread: read.flatMap(({ name, state }) => (state?.ok === true ? [] : [name])),
  };
}

async function inTime(
  context: EngineContext,
  readOf: typeof readState,
): Promise<Awaited<ReturnType<typeof readState>> | null> {
  const over = new AbortController();
  const late = context.clock.sleep(PATIENCE_MS, over.signal).then(() => null);
  try {
    return await Promise.race([readOf(context), late]);
  } finally {
    over.abort();
  }
}
