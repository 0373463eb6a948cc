/** Reads the folders of playbooks: a rollout's by its action, all of them by their names. */
import { basename, resolve } from 'node:path';
import { err, ok, type Result } from '../domain/result.ts';
import { nameOf, readOne, whole, whyBadName, yamlFiles } from './config-folder.ts';
import { fault, type Problem } from './problem.ts';
import type { Playbook, Playbooks } from './resolve.ts';
import { ACTIONS, type Action, PLAYBOOK_ACTIONS } from './schema/playbook.ts';
import { readKey } from './schema-walk.ts';
import { readPlaybookText } from './written.ts';

/** A playbook's file; `playbook` is null when it has problems. */
export interface PlaybookFile {
  readonly file: string;
  readonly isRollouts: boolean;
  readonly playbook: Playbook | null;
  readonly problems: readonly Problem[];
}

export interface PlaybooksRead {
  readonly rollout: Playbooks;
  /** Rollouts' and the lifecycle's. */
  readonly byName: ReadonlyMap<string, PlaybookFile>;
  /** Of the folders and of rollouts' playbooks. */
  readonly problems: readonly Problem[];
  /** Of lifecycle playbooks, which nothing else rests on. */
  readonly lifecycleProblems: readonly Problem[];
}

/** A playbook in a later folder stands in the place of one of the same name, also where it is wrong. */
export async function readPlaybooks(dirs: readonly string[]): Promise<PlaybooksRead> {
  const byName = new Map<string, PlaybookFile>();
  const problems: Problem[] = [];
  const twins: Problem[] = [];
  for (const dir of new Set(dirs.map((one) => resolve(one)))) {
    const listing = await yamlFiles(dir);
    if (!listing.ok) {
      if (listing.error.kind === 'unreadable')
        problems.push(whole(dir, `the folder of playbooks ${listing.error.message}`));
      continue;
    }
    const files = new Map<string, string>();
    for (const file of listing.value) {
      const bad = whyBadName(file);
      const name = nameOf(file);
      const twin = files.get(name);
      if (bad !== null) twins.push(whole(file, bad));
      else if (twin === undefined) files.set(name, file);
      else
        (isRolloutAction(name) ? problems : twins).push(
          whole(file, `there is ${basename(twin)} too; one of the two must go`),
        );
    }
    for (const [name, file] of files) byName.set(name, await readPlaybook(name, file));
  }
  const rollout: Partial<Record<Action, Playbook>> = {};
  for (const { playbook } of byName.values()) {
    const action = ACTIONS.find((one) => one === playbook?.action);
    if (playbook !== null && action !== undefined) rollout[action] = playbook;
  }
  const wrong = (isRollouts: boolean): Problem[] =>
    [...byName.values()].flatMap((one) => (one.isRollouts === isRollouts ? one.problems : []));
  return {
    rollout,
    byName,
    problems: [...problems, ...wrong(true)],
    lifecycleProblems: [...twins, ...wrong(false)],
  };
}

function isRolloutAction(word: unknown): boolean {
  return (ACTIONS as readonly unknown[]).includes(word);
}

async function readPlaybook(name: string, file: string): Promise<PlaybookFile> {
  const { written, yaml, problems } = await readOne(file, readPlaybookText);
  const action = readKey(yaml?.value, 'action');
  const isRollouts = isRolloutAction(name) || isRolloutAction(action);
  const about = { file, isRollouts };
  if (written === null || yaml === null) return { ...about, playbook: null, problems };
  const named = nameFits(name, written.action, isRollouts);
  if (!named.ok)
    return {
      ...about,
      playbook: null,
      problems: [
        yaml.problem(
          fault(['action'], `the file is named ${basename(file)}; ${named.error.why}`, {
            found: written.action,
            ...named.error.detail,
          }),
        ),
      ],
    };
  return {
    ...about,
    playbook: { action: written.action, file, written, raw: yaml.value },
    problems: [],
  };
}

interface Misnamed {
  readonly why: string;
  readonly detail: { readonly allowed: readonly string[]; readonly suggestion?: string };
}

/** A file that bears an action's name is of that action, and a rollout's playbook bears its name. */
function nameFits(name: string, action: string, isRollouts: boolean): Result<void, Misnamed> {
  if (action === name) return ok(undefined);
  const meant = PLAYBOOK_ACTIONS.find((one) => one === name);
  if (meant !== undefined)
    return err({ why: 'action and name must be the same', detail: { allowed: [meant], suggestion: meant } });
  if (!isRollouts) return ok(undefined);
  return err({ why: 'action and name must be the same', detail: { allowed: PLAYBOOK_ACTIONS } });
}
