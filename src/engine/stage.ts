/**
 * Stage: checks packages and publishes them, each in its environment's store.
 *
 * S1  Every check of every package comes before the first publication: a refused call changes nothing.
 * S2  Publishing is create-only, so that the same call again is a success that changes nothing; after a failure in between, the
 *     same call again finishes the work.
 */
import { parseVersion } from '../domain/version.ts';
import { sameFileElsewhere } from './same-file.ts';
import { checkAgainstOthers, checkPackage, checkRequest, sameFileNotes } from './stage-checks.ts';
import { findGaps } from './stage-gaps.ts';
import type {
  PackageResult,
  PackageToStage,
  ReadPackage,
  StageContext,
  StagedPackage,
  StageOutcome,
  StageProblem,
  StageRequest,
} from './stage-types.ts';

export async function stage(context: StageContext, request: StageRequest): Promise<StageOutcome> {
  const { version } = request;
  const problems = checkRequest(context.line, request);
  if (problems.length > 0 || !parseVersion(version).ok) {
    const packages = request.packages.map((each) => ({
      ...each,
      facts: null,
      result: { kind: 'held-back' } as const,
    }));
    return { kind: 'refused', version, packages, problems, gaps: [], notes: [] };
  }
  const checked = await checkAll(context, request);
  const good = checked.flatMap(({ read, problems: found }) =>
    read !== null && found.length === 0 ? [read] : [],
  );
  const notes = sameFileNotes(good);
  if (good.length < checked.length) {
    const packages = checked.map(({ given, read, problems: found }): StagedPackage => {
      const result: PackageResult =
        found.length > 0 ? { kind: 'refused', problems: found } : { kind: 'held-back' };
      return { ...given, facts: read?.facts ?? null, result };
    });
    return { kind: 'refused', version, packages, problems: [], gaps: [], notes };
  }
  const packages: StagedPackage[] = [];
  for (const read of good) {
    const { environment, file, facts } = read;
    packages.push({ environment, file, facts, result: await publish(context, version, read) });
  }
  const kind = packages.some(({ result }) => result.kind === 'failed') ? 'incomplete' : 'staged';
  const gaps = await findGaps(context.line, version);
  const shared = [...notes, ...(await sharedWithOthers(context, version, good))];
  return { kind, version, packages, problems: [], gaps, notes: shared };
}

/** What this call gives to one environment alone, and another has already. */
async function sharedWithOthers(
  { line }: StageContext,
  version: string,
  good: readonly ReadPackage[],
): Promise<readonly StageProblem[]> {
  const isGivenTwice = ({ environment, facts }: ReadPackage): boolean =>
    good.some((other) => other.environment !== environment && other.facts.sha256 === facts.sha256);
  const files = good
    .filter((read) => !isGivenTwice(read))
    .map(({ environment, facts: { control, sha256 } }) => ({
      environment,
      version,
      architecture: control.architecture,
      sha256,
    }));
  return files.length === 0 ? [] : sameFileElsewhere(files, line);
}

interface CheckedPackage {
  readonly given: PackageToStage;
  readonly read: ReadPackage | null;
  readonly problems: readonly StageProblem[];
}

/** Reads and checks everything; one file's problem does not hide another's. */
async function checkAll(context: StageContext, request: StageRequest): Promise<readonly CheckedPackage[]> {
  const alone: CheckedPackage[] = [];
  for (const given of request.packages) {
    const target = context.line.find(({ name }) => name === given.environment);
    if (target === undefined) throw new Error(`bug: ${given.environment} passed the check of the request`);
    const facts = await context.reader.read(given.file, target.agent.executable);
    if (facts.ok) {
      const read = { ...given, target, facts: facts.value };
      const published = await target.store.list();
      const problems = published.ok
        ? checkPackage(read, request, published.value)
        : [{ code: 'store-unavailable', message: `${target.name}: ${published.error.message}` }];
      alone.push({ given, read, problems });
    } else {
      const { kind, message } = facts.error;
      alone.push({
        given,
        read: null,
        problems: [{ code: kind, message: `${given.environment}: ${message}` }],
      });
    }
  }
  const reads = alone.flatMap(({ read }) => (read === null ? [] : [read]));
  return alone.map((each) => {
    const others = each.read === null ? [] : checkAgainstOthers(each.read, reads, request);
    return { ...each, problems: [...each.problems, ...others] };
  });
}

async function publish(context: StageContext, version: string, read: ReadPackage): Promise<PackageResult> {
  const { facts, target, file } = read;
  const { clock, actor, reader, onProgress } = context;
  const { environment } = read;
  const tell = (stored: number): void => onProgress?.({ environment, file, stored, size: facts.size });
  tell(0);
  const answer = await target.store.publish(
    {
      environment: target.name,
      version,
      architecture: facts.control.architecture,
      ...facts,
      originalFileName: file.slice(file.lastIndexOf('/') + 1),
      stagedAt: clock.now(),
      stagedBy: `${actor.user}@${actor.hostname}`,
    },
    () => reader.open(file),
    tell,
  );
  return answer.ok ? answer.value : { kind: 'failed', error: answer.error };
}
