/**
 * The program's own metrics for one call of a command: `--metrics-port`, `--metrics-push`, `--metrics-file`, or the environment variables
 * of the same names. What goes wrong here is said and changes nothing else.
 */
import { resolve } from 'node:path';
import { systemClock } from '../adapters/clock/system-clock.ts';
import type { Served } from '../adapters/own-metrics/outputs.ts';
import type { OwnRegistry } from '../adapters/own-metrics/registry.ts';
import { foldEntries } from '../domain/fold.ts';
import { type Gauge, gaugesOf } from '../domain/own-measures.ts';
import { EMPTY_STATE, type EnvironmentState } from '../domain/state.ts';
import type { EngineContext } from '../engine/context.ts';
import { within } from '../engine/within.ts';
import { type Invocation, textOption } from './invocation.ts';

export interface OwnMetrics {
  /** From now on this environment is told of. */
  add(context: EngineContext): void;
  /** What only a command knows, such as its coverage; kept for the environment until told anew. */
  tell(environment: string, gauges: readonly Gauge[]): void;
  /** The command has ended: pushed and written for the last time, no longer served. */
  end(exit: number): Promise<void>;
}

interface Wanted {
  readonly listen: string | undefined;
  readonly push: string | undefined;
  readonly file: string | undefined;
}

/** A journal is read again for a scrape no sooner than this, ms. */
const FRESH_MS = 5_000;

/** Nor is a journal waited for longer than this, ms: an emergency ends when it is done. */
const READ_LIMIT_MS = 5_000;

const NOTHING: OwnMetrics = { add: () => {}, tell: () => {}, end: () => Promise.resolve() };

export async function startOwnMetrics(invocation: Invocation): Promise<OwnMetrics> {
  const { env } = invocation;
  const wanted: Wanted = {
    listen: textOption(invocation, 'metricsPort') ?? env.ROLLOUT_METRICS_PORT,
    push: textOption(invocation, 'metricsPush') ?? env.ROLLOUT_METRICS_PUSH,
    file: textOption(invocation, 'metricsFile') ?? env.ROLLOUT_METRICS_FILE,
  };
  if (Object.values(wanted).every((one) => one === undefined || one === '')) return NOTHING;
  // Loaded only where somebody wants it: 30 ms of every start.
  const { createRegistry } = await import('../adapters/own-metrics/registry.ts');
  const outputs = await import('../adapters/own-metrics/outputs.ts');
  const own = createRegistry();
  const books = new Map<string, Book>();
  const startedAt = systemClock.now();
  const complain = (what: string): void =>
    invocation.output.err(`${invocation.program}: own metrics: ${what}; the command goes on without`);
  const refresh = async (): Promise<void> => {
    for (const book of books.values()) await book.refresh();
  };
  let served: Served | null = null;
  if (wanted.listen !== undefined && wanted.listen !== '') {
    const place = outputs.parseListen(wanted.listen);
    if (place === null)
      complain(`--metrics-port takes PORT or HOST:PORT, not ${JSON.stringify(wanted.listen)}`);
    else {
      const begun = await outputs.serveMetrics(own.registry, place, refresh);
      if (begun.ok) served = begun.value;
      else complain(begun.error);
    }
  }
  return {
    add(context) {
      const { name } = context.environment;
      if (!books.has(name)) books.set(name, new Book(context, own));
    },
    tell(environment, gauges) {
      books.get(environment)?.tell(gauges);
    },
    async end(exit) {
      for (const book of books.values()) await book.refresh(true);
      own.end({
        command: commandOf(invocation),
        environments: [...books.keys()],
        exit,
        startedAt,
        endedAt: systemClock.now(),
      });
      if (wanted.push !== undefined && wanted.push !== '') {
        const pushed = await outputs.pushMetrics(own.registry, wanted.push);
        if (!pushed.ok) complain(pushed.error);
      }
      if (wanted.file !== undefined && wanted.file !== '') {
        const written = await outputs.writeTextfile(own.registry, resolve(invocation.cwd, wanted.file));
        if (!written.ok) complain(written.error);
      }
      await served?.close();
    },
  };
}

/** `rollout advance gprd --yes` is `advance`, `osqueryd stop --fleet` is `stop`: nothing of what was typed behind it. */
function commandOf({ commandLine }: Invocation): string {
  const words = commandLine.split(' ').slice(1);
  const [first = '', second = ''] = words;
  const word = first === 'osqueryd' ? second : first;
  return /^[a-z-]{1,30}$/u.test(word) ? word : 'other';
}

/** One environment's journal as far as it has been read. What cannot be read now leaves what was known. */
class Book {
  readonly #context: EngineContext;
  readonly #own: OwnRegistry;
  #state: EnvironmentState = EMPTY_STATE;
  #told: readonly Gauge[] = [];
  #at = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | null = null;

  constructor(context: EngineContext, own: OwnRegistry) {
    this.#context = context;
    this.#own = own;
  }

  tell(gauges: readonly Gauge[]): void {
    this.#told = gauges;
  }

  /** One read at a time, whoever asks. */
  async refresh(now = false): Promise<void> {
    if (this.#reading !== null) await this.#reading;
    else if (now || systemClock.now() - this.#at >= FRESH_MS) {
      this.#reading = this.#read().finally(() => {
        this.#reading = null;
      });
      await this.#reading;
    }
  }

  async #read(): Promise<void> {
    const { environment, journal } = this.#context;
    const read = await within(systemClock, READ_LIMIT_MS, () => journal.read(this.#state.head?.seq ?? 0));
    this.#at = systemClock.now();
    if (read?.ok === true) {
      this.#state = foldEntries(read.value, this.#state);
      this.#own.count(environment.name, read.value);
    }
    this.#own.set(environment.name, [...gaugesOf(environment, this.#state, this.#at), ...this.#told]);
  }
}
