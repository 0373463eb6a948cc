/**
 * `rollout doctor [ENV]`: is everything there that a rollout will need, and if not, what mends it. Changes nothing.
 * `--offline`: what the files alone tell, and whether the keys that they name
 * are there.
 */

import { systemClock } from '../../adapters/clock/system-clock.ts';
import type { LoadedConfig, LoadedEnvironment } from '../../config/load.ts';
import { renderProblems } from '../../config/problem.ts';
import { examine } from '../../engine/doctor.ts';
import { SAMPLE } from '../../engine/doctor-hosts.ts';
import { datedFindings, placesFinding } from '../../engine/doctor-record.ts';
import {
  broken,
  CHECK_AREAS,
  type CheckResult,
  doubtful,
  type Finding,
  fine,
  type SelfCheck,
  skipped,
} from '../../ports/self-check.ts';
import { configPlaces, isFallback, readConfiguration } from '../configuration.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { flag, type Invocation } from '../invocation.ts';
import { jsonLine } from '../json-lines.ts';
import { countKinds, doctorLines, summary } from '../render/doctor-view.ts';
import { type Session, sayRefused, withSession } from '../session.ts';
import { wireChecks } from '../wire-checks.ts';
import { wireOfflineChecks } from '../wire-offline-checks.ts';

interface Asked {
  readonly session: Session;
  readonly config: LoadedConfig;
  /** Folder that the environments were read from. */
  readonly dir: string;
  readonly offline: boolean;
  /** Examples that nobody named: the files that they name are nobody's either. */
  readonly examples: boolean;
  readonly sample: number;
}

interface Examined {
  readonly name: string;
  readonly results: readonly CheckResult[];
  readonly invalid: boolean;
  readonly interrupted: boolean;
  readonly abandoned: boolean;
}

export async function run(invocation: Invocation): Promise<number> {
  let abandoned = false;
  const exit = await withSession(
    invocation,
    async (session) => {
      const ended = await diagnose(session);
      abandoned = ended.abandoned;
      return ended.exit;
    },
    'own',
  );
  // A connection that was given up must not keep whoever waits for the answer.
  if (abandoned) process.exit(exit);
  return exit;
}

async function diagnose(session: Session): Promise<{ exit: number; abandoned: boolean }> {
  const { invocation } = session;
  const refused = (refusals: Parameters<typeof sayRefused>[1]) => ({
    exit: sayRefused(invocation, refusals),
    abandoned: false,
  });
  const places = configPlaces(invocation, 'own');
  if (!places.ok) return refused([places.error]);
  const read = await readConfiguration(invocation, 'own');
  if (!read.ok) return refused([read.error]);
  const [given] = invocation.args;
  const config = read.value;
  const { dir } = places.value;
  if (given !== undefined && !config.environments.has(given)) {
    const unknown = session.open(given);
    return unknown.ok ? refused([]) : refused([unknown.error]);
  }
  const chosen =
    given === undefined
      ? [...config.environments.values()]
      : [config.environments.get(given)].flatMap((one) => (one === undefined ? [] : [one]));
  // What ships with the program are examples: nobody means them without naming them.
  const examples = given === undefined && isFallback(invocation, dir);
  const asked: Asked = {
    session,
    config,
    dir,
    offline: flag(invocation, 'offline') || examples,
    examples,
    sample: typeof invocation.options.hosts === 'number' ? invocation.options.hosts : SAMPLE,
  };
  // All are asked at once, and told one after the other, as a version comes to them; what cannot be used stands before.
  const place = ({ name }: LoadedEnvironment): number => session.names.indexOf(name);
  const inOrder = chosen.toSorted((a, b) => place(a) - place(b));
  const running = inOrder.map((loaded) => beginOne(asked, loaded, given !== undefined));
  const done: Examined[] = [];
  for (const { name, known, rest } of running) {
    tell(invocation, name, known);
    const ended = await rest;
    const examined: Examined = { ...ended, name, results: [...known, ...byArea(ended.results)] };
    tell(invocation, name, examined.results.slice(known.length));
    done.push(examined);
    show(session, examined);
  }
  return { exit: conclude(asked, done), abandoned: done.some((one) => one.abandoned) };
}

/** An environment that is being examined. */
interface Begun {
  readonly name: string;
  /** What its file alone tells. */
  readonly known: readonly CheckResult[];
  /** All else, in no order. */
  readonly rest: Promise<Omit<Examined, 'name'>>;
}

function beginOne(asked: Asked, loaded: LoadedEnvironment, named: boolean): Begun {
  const known = configurationFindings(asked, loaded, named).map((finding) => ({
    ...finding,
    area: 'configuration' as const,
  }));
  return { name: loaded.name, known, rest: examineRest(asked, loaded) };
}

async function examineRest(
  { session, offline, examples, sample }: Asked,
  loaded: LoadedEnvironment,
): Promise<Omit<Examined, 'name'>> {
  const { invocation } = session;
  const { name } = loaded;
  const base = { results: [], invalid: loaded.kind === 'invalid', interrupted: false, abandoned: false };
  if (loaded.kind !== 'ready' || examples) return base;
  let checks: readonly SelfCheck[];
  if (offline) checks = wireOfflineChecks(loaded.environment);
  else {
    const context = session.open(name);
    if (!context.ok) {
      const finding = broken('wiring', context.error.message, 'unset it, or correct it');
      return { ...base, results: [{ ...finding, area: 'configuration' }], invalid: true };
    }
    checks = wireChecks(context.value, invocation, sample);
  }
  let answered = 0;
  invocation.output.live(`${name}: asking`);
  const examined = await examine(checks, {
    clock: systemClock,
    signal: invocation.signal,
    onResults: () => {
      answered += 1;
      invocation.output.live(`${name}: ${answered} of ${checks.length} questions answered`);
    },
  });
  return { ...examined, invalid: false };
}

/** As they are needed. */
function byArea(results: readonly CheckResult[]): CheckResult[] {
  return results.toSorted((a, b) => CHECK_AREAS.indexOf(a.area) - CHECK_AREAS.indexOf(b.area));
}

/** What the files alone tell. */
function configurationFindings(
  { dir, session: { invocation } }: Asked,
  loaded: LoadedEnvironment,
  named: boolean,
): Finding[] {
  const { name, file } = loaded;
  const folder =
    isFallback(invocation, dir) && !isSandbox(name)
      ? doubtful(
          'folder',
          `${dir}: what ships with rollout, since there is no environments/ here`,
          'rollout init makes one of your own; --config DIR names another one',
        )
      : fine('folder', dir);
  if (loaded.kind === 'invalid') {
    const first = loaded.problems[0];
    const where = first === undefined ? '' : `, the first at ${first.file}:${first.line}: ${first.message}`;
    const n = loaded.problems.length;
    return [
      folder,
      broken(
        'file',
        `${file} has ${n} ${n === 1 ? 'problem' : 'problems'}${where}`,
        `rollout config check ${name}`,
      ),
    ];
  }
  if (loaded.kind === 'not-there' || loaded.kind === 'example') {
    const why = loaded.problems[0]?.message ?? 'something that it names is not there';
    return [
      folder,
      named
        ? broken('file', why, isSandbox(name) ? 'rollout sandbox up' : `look at ${file}`)
        : skipped('file', why),
    ];
  }
  const { environment } = loaded;
  return [
    folder,
    fine('file', `${file} is right`),
    placesFinding(environment),
    ...datedFindings(environment, systemClock.now()),
  ];
}

function isSandbox(name: string): boolean {
  return name.startsWith('sandbox-');
}

function tell(invocation: Invocation, environment: string, results: readonly CheckResult[]): void {
  if (!invocation.json) return;
  for (const result of results) jsonLine(invocation, 'check', { environment, ...result });
}

function show({ invocation, paint }: Session, { name, results }: Examined): void {
  // Gone for good: what is printed stands above the line, and would bring it back.
  invocation.output.live('');
  if (!invocation.json) invocation.output.out(`${doctorLines(name, results, paint).join('\n')}\n`);
}

function conclude({ session, config, offline }: Asked, done: readonly Examined[]): ExitCode {
  const { invocation, paint } = session;
  const { output } = invocation;
  const counts = countKinds(done.flatMap(({ results }) => results));
  const interrupted = done.some((one) => one.interrupted);
  const invalid = done.some((one) => one.invalid) || done.length === 0;
  const [exit, code]: readonly [ExitCode, string] = interrupted
    ? [EXIT.interrupted, 'interrupted']
    : invalid
      ? [EXIT.usage, 'config-invalid']
      : counts.failed > 0
        ? [EXIT.failed, 'checks-failed']
        : [EXIT.done, 'healthy'];
  if (invocation.json) {
    jsonLine(invocation, 'result', {
      exit,
      code,
      counts,
      offline,
      environments: done.map(({ name }) => name),
    });
    return exit;
  }
  if (invalid && config.problems.length > 0) output.err(`${renderProblems(config.problems)}\n`);
  output.out(
    [
      summary(counts, paint),
      ...(interrupted ? ['interrupted: the other questions were not answered'] : []),
      ...(offline && !interrupted && !invalid
        ? [`${paint.dim('next:')} ${nextOf(session, invocation)}`]
        : []),
    ].join('\n'),
  );
  return exit;
}

function nextOf({ names }: Session, invocation: Invocation): string {
  const [name = names[0] ?? 'ENV'] = invocation.args;
  return `rollout doctor ${name} asks the rest: sign-in, hosts, buckets, metrics`;
}
