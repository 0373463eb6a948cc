/** `rollout releases [ENV]`: what is staged, and what each environment pins, has proven or keeps in quarantine. */

import type { Artifact } from '../../domain/artifact.ts';
import { listReleases } from '../../domain/release.ts';
import type { EnvironmentState } from '../../domain/state.ts';
import { type Elsewhere, readElsewhere, readingOnce } from '../../engine/read-elsewhere.ts';
import { EXIT } from '../exit-codes.ts';
import type { Invocation } from '../invocation.ts';
import { jsonLine } from '../json-lines.ts';
import { columns, moment, type Paint, sizeText } from '../render/paint.ts';
import { sayRefused, withSession } from '../session.ts';

export function run(invocation: Invocation): Promise<number> {
  return withSession(invocation, async (session) => {
    const [only] = invocation.args;
    let worst: number = EXIT.done;
    const blocks: string[] = [];
    const readOf = readingOnce();
    for (const name of only === undefined ? session.names : [only]) {
      const context = session.open(name);
      if (!context.ok) return sayRefused(invocation, [context.error]);
      const [staged, state, elsewhere] = await Promise.all([
        context.value.store.list(),
        readOf(context.value),
        readElsewhere(session.othersOf(name), readOf),
      ]);
      if (!staged.ok || !state.ok) {
        const message = staged.ok ? '' : staged.error.message;
        worst = sayRefused(invocation, [
          state.ok ? { exit: 'failed', code: 'store-failed', message, details: [] } : state.error,
        ]);
        continue;
      }
      const artifacts = listReleases(staged.value).flatMap((release) => Object.values(release.artifacts));
      if (invocation.json) {
        for (const artifact of artifacts)
          jsonLine(invocation, 'release', {
            ...artifact,
            marks: marksOf(artifact, state.value),
            quarantinedIn: quarantinedIn(artifact, elsewhere),
          });
      } else {
        const known = { state: state.value, elsewhere };
        blocks.push(releaseLines(name, artifacts, known, session.paint).join('\n'));
      }
    }
    if (blocks.length > 0) invocation.output.out(blocks.join('\n\n'));
    return worst;
  });
}

function releaseLines(
  name: string,
  artifacts: readonly Artifact[],
  { state, elsewhere }: { readonly state: EnvironmentState; readonly elsewhere: Elsewhere },
  paint: Paint,
): string[] {
  if (artifacts.length === 0)
    return [`${paint.strong(name)}  nothing is staged; rollout stage VERSION --package ${name}=FILE`];
  const rows = artifacts.map((artifact) => [
    artifact.version,
    artifact.architecture,
    artifact.sha256.slice(0, 12),
    sizeText(artifact.size),
    moment(artifact.stagedAt),
    artifact.stagedBy,
    [
      ...marksOf(artifact, state),
      // The very same file: what is bad there is bad here.
      ...quarantinedIn(artifact, elsewhere).map((other) => `QUARANTINED in ${other}`),
    ].join(', '),
  ]);
  const { unread } = elsewhere;
  return [
    paint.strong(name),
    ...columns(rows).map((row) => `  ${row}`),
    ...(unread.length === 0
      ? []
      : [
          paint.dim(
            `  what ${unread.join(', ')} has in quarantine is not known: the journal there cannot be read`,
          ),
        ]),
  ];
}

function quarantinedIn({ sha256 }: Artifact, { told }: Elsewhere): string[] {
  return told.flatMap(({ environment, quarantine }) =>
    quarantine.some((held) => held.sha256 === sha256) ? [environment] : [],
  );
}

function marksOf(artifact: Artifact, state: EnvironmentState): string[] {
  const marks: string[] = [];
  const digests = (held: { digests: Readonly<Record<string, string>> }): boolean =>
    Object.values(held.digests).includes(artifact.sha256);
  if (state.pin !== null && digests(state.pin)) marks.push('pinned');
  if (state.receipts.some(digests)) marks.push('proven');
  if (state.quarantine.some((held) => held.sha256 === artifact.sha256)) marks.push('QUARANTINED');
  return marks;
}
