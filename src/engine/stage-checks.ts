/** What staging refuses, and why. Pure. */
import type { Artifact, Sha256 } from '../domain/artifact.ts';
import { parseVersion, releaseOf, revisedVersion } from '../domain/version.ts';
import type { ReadPackage, StageEnvironment, StageProblem, StageRequest } from './stage-types.ts';

/** Problems that show before any file is read. */
export function checkRequest(
  line: readonly StageEnvironment[],
  request: StageRequest,
): readonly StageProblem[] {
  const problems: StageProblem[] = [];
  const version = parseVersion(request.version);
  if (!version.ok) problems.push({ code: version.error.kind, message: version.error.message });
  if (request.packages.length === 0) {
    const examples = line.map(({ name }) => `--package ${name}=FILE`).join(' ');
    problems.push({
      code: 'no-packages',
      message: `no package was given; type: rollout stage ${request.version} ${examples}`,
    });
  }
  const names = line.map(({ name }) => name);
  for (const name of new Set(
    [...request.packages, ...request.expected].map(({ environment }) => environment),
  )) {
    if (names.includes(name)) continue;
    problems.push({
      code: 'unknown-environment',
      message: `there is no environment ${JSON.stringify(name)}; there are ${names.join(', ') || 'none'}`,
    });
  }
  for (const { environment, sha256 } of request.expected) {
    if (!/^[0-9a-f]{64}$/i.test(sha256)) {
      problems.push({
        code: 'invalid-sha256',
        message: `--sha256 ${environment}=${sha256}: expected 64 hexadecimal digits, found ${sha256.length} characters`,
      });
    } else if (!request.packages.some((given) => given.environment === environment)) {
      problems.push({
        code: 'unused-sha256',
        message: `--sha256 ${environment}=${sha256}: no --package ${environment}=FILE was given to compare it with`,
      });
    }
  }
  return problems;
}

/** Problems of one package by itself, and against what its environment already has. */
export function checkPackage(
  { environment, file, target, facts }: ReadPackage,
  request: StageRequest,
  published: readonly Artifact[],
): readonly StageProblem[] {
  const problems: StageProblem[] = [];
  const add = (code: string, message: string): void => {
    problems.push({ code, message: `${environment}: ${file} ${message}` });
  };
  const { control, sha256 } = facts;
  const { version } = request;
  if (control.package !== target.agent.package) {
    add('wrong-package', `is the package ${control.package}, expected ${target.agent.package}`);
  }
  if (!releaseOf(control.version, version)) {
    add(
      'wrong-version',
      `is version ${control.version}, which is no package of ${version}; is it the right file?`,
    );
  }
  const allowed = target.architectures;
  if (allowed === undefined ? control.architecture === 'all' : !allowed.includes(control.architecture)) {
    const expected = allowed === undefined ? 'a particular one' : allowed.join(' or ');
    add('wrong-architecture', `is for the architecture ${control.architecture}, expected ${expected}`);
  }
  const digests = expectedOf(request, environment);
  if (digests.length > 0 && !digests.includes(sha256)) {
    add('wrong-sha256', `has the sha256 ${sha256}, expected ${digests.join(' or ')}`);
  }
  const there = published.find(
    (each) => each.version === version && each.architecture === control.architecture,
  );
  if (there !== undefined && there.sha256 !== sha256) {
    const by = `staged by ${there.stagedBy} as ${there.originalFileName}`;
    add(
      'already-published',
      `has the sha256 ${sha256}, but ${version} for ${control.architecture} is already ${there.sha256} (${by}); ` +
        `what is published never changes. No host takes it before somebody deploys or promotes ${version}. ` +
        `To have another: build it with a Debian revision of its own, and stage that for every environment of the line (rollout stage ${revisedVersion(control.version)} --package ENV=FILE ...)`,
    );
  }
  const twin = published.find(
    (each) =>
      each.version !== version &&
      each.architecture === control.architecture &&
      each.control.version === control.version &&
      each.sha256 !== sha256,
  );
  if (twin !== undefined) {
    add(
      'same-debian-version',
      `has the Debian version ${control.version} of ${twin.originalFileName} (${twin.sha256}), which is staged as ${twin.version}: ` +
        `of a host that runs it nobody could tell which way is back. Build it with a Debian revision of its own (rollout stage ${revisedVersion(control.version)} --package ENV=FILE ...)`,
    );
  }
  return problems;
}

/** Problems that only show beside the call's other packages. */
export function checkAgainstOthers(
  read: ReadPackage,
  all: readonly ReadPackage[],
  request: StageRequest,
): readonly StageProblem[] {
  const problems: StageProblem[] = [];
  const { environment, file, facts } = read;
  const { architecture } = facts.control;
  const mine = all.filter((other) => other.environment === environment);
  const rival = mine.find(
    (other) => other.facts.control.architecture === architecture && other.facts.sha256 !== facts.sha256,
  );
  if (rival !== undefined) {
    problems.push({
      code: 'same-architecture',
      message: `${environment}: ${file} and ${rival.file} are different packages for ${architecture}; which one is meant?`,
    });
  }
  const given = request.packages.filter((other) => other.environment === environment).length;
  const unmet = expectedOf(request, environment).filter((digest) =>
    mine.every((other) => other.facts.sha256 !== digest),
  );
  // Said once an environment, and only when all its files were read: else the missing one may be the unread one.
  if (unmet.length > 0 && mine[0] === read && mine.length === given && mine.every(isExpected(request))) {
    problems.push({
      code: 'unused-sha256',
      message: `${environment}: no package given has the sha256 ${unmet.join(', nor ')}`,
    });
  }
  return problems;
}

function isExpected(request: StageRequest): (read: ReadPackage) => boolean {
  return ({ environment, facts }) => expectedOf(request, environment).includes(facts.sha256);
}

function expectedOf(request: StageRequest, environment: string): readonly Sha256[] {
  return request.expected
    .filter((each) => each.environment === environment)
    .map(({ sha256 }) => sha256.toLowerCase());
}

/** One file in two places may be meant so, or be the wrong one in one of them. */
export function sameFileNotes(packages: readonly ReadPackage[]): readonly StageProblem[] {
  const notes: StageProblem[] = [];
  for (const [index, { environment, file, facts }] of packages.entries()) {
    const earlier = packages.slice(0, index).find((other) => other.facts.sha256 === facts.sha256);
    if (earlier === undefined) continue;
    const message =
      earlier.environment === environment
        ? `${environment}: ${file} is the same package as ${earlier.file}; it is stored once`
        : `${environment} and ${earlier.environment} get the same package (sha256 ${facts.sha256}): ` +
          `right only if the two are meant to share it`;
    notes.push({ code: 'same-file', message });
  }
  return notes;
}
