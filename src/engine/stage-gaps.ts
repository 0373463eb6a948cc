/** Which environments of the promotion line cannot take a version yet. */
import type { StageEnvironment, StageGap } from './stage-types.ts';

/** Looks at every store. An environment whose own architectures are known is held to those, others to what the line has. */
export async function findGaps(
  line: readonly StageEnvironment[],
  version: string,
): Promise<readonly StageGap[]> {
  const found = await Promise.all(
    line.map(async (environment) => {
      const listed = await environment.store.list();
      if (!listed.ok) return { environment, architectures: null, failure: listed.error.message };
      const here = listed.value.filter((artifact) => artifact.version === version);
      return {
        environment,
        architectures: new Set(here.map(({ architecture }) => architecture)),
        failure: '',
      };
    }),
  );
  const anywhere = [...new Set(found.flatMap(({ architectures }) => [...(architectures ?? [])]))].sort();
  return found.flatMap(({ environment, architectures, failure }): StageGap[] => {
    const { name } = environment;
    const type = `rollout stage ${version} --package ${name}=FILE`;
    if (architectures === null) {
      const message = `whether ${name} has a package of ${version} is unknown: ${failure}`;
      return [{ environment: name, why: { kind: 'unknown' }, message }];
    }
    if (architectures.size === 0) {
      const message = `${name} has no package of ${version} yet: a deploy or promotion to it will be refused; stage it with: ${type}`;
      return [{ environment: name, why: { kind: 'nothing' }, message }];
    }
    const missing = (environment.architectures ?? anywhere).filter((each) => !architectures.has(each));
    if (missing.length === 0) return [];
    const message =
      `${name} has no package of ${version} for ${missing.join(', ')}: ` +
      `hosts of that kind there cannot take it; stage it with: ${type}`;
    return [{ environment: name, why: { kind: 'architectures', missing }, message }];
  });
}
