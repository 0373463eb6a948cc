/**
 * `rollout init`: environments of one's own, asked for on a terminal, or from flags or a file of answers. What it writes has been
 * read by the same loader as every command uses, and no file that exists is changed.
 */
import { readFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { systemClock } from '../../adapters/clock/system-clock.ts';
import { gceInventory } from '../../adapters/google/compute/inventory.ts';
import { endpointsFrom } from '../../adapters/google/endpoints.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { expandPath } from '../../config/paths.ts';
import { type Problem, renderProblems } from '../../config/problem.ts';
import { PLAYBOOK_ACTIONS } from '../../config/schema/playbook.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import { type Refusal, refuse } from '../../engine/context.ts';
import { datedFindings, placesFinding } from '../../engine/doctor-record.ts';
import { shippedPlaybooks, stateDirOf } from '../configuration.ts';
import { EXIT } from '../exit-codes.ts';
import {
  type Answers,
  anchored,
  checkAnswers,
  type EnvironmentAnswers,
  parseAnswers,
} from '../init/answers.ts';
import { environmentText } from '../init/environment-text.ts';
import { type Proposals, proposalsFrom } from '../init/proposals.ts';
import { askAll, askYes, type Credentials, type Look } from '../init/questions.ts';
import { type NewFile, type WriteError, writeFiles } from '../init/write-files.ts';
import { flag, type Invocation, listOption, textOption } from '../invocation.ts';
import { jsonLine } from '../json-lines.ts';
import { createPaint, facts } from '../render/paint.ts';
import { sayRefused } from '../session.ts';

interface Wanted extends Answers {
  /** By environment. */
  readonly looks: ReadonlyMap<string, Proposals>;
}

export async function run(invocation: Invocation): Promise<number> {
  const wanted = await wantedOf(invocation);
  if (wanted === 'interrupted') return interrupted(invocation);
  if (!wanted.ok) return sayRefused(invocation, [wanted.error]);
  const dir = resolve(
    invocation.cwd,
    textOption(invocation, 'config') ?? (invocation.env.ROLLOUT_CONFIG || '.'),
  );
  const files = await filesOf(wanted.value, invocation);
  if (!invocation.yes) {
    const list = files.map(({ path }) => join(dir, path)).join(', ');
    const consent = await askYes({ ...invocation }, `Write ${list}?`);
    if (consent === null) return interrupted(invocation);
    if (!consent) {
      invocation.output.err('nothing was written');
      return EXIT.failed;
    }
  }
  const written = await writeFiles({
    dir,
    files,
    places: {
      stateDir: stateDirOf(invocation),
      homeDir: invocation.home,
      shippedPlaybooks: shippedPlaybooks(),
    },
    signal: invocation.signal,
    object: (loaded) => whatDoctorSays(loaded, wanted.value.environments),
  });
  if (!written.ok) return sayUnwritten(invocation, written.error);
  return sayWritten(invocation, dir, written.value, wanted.value.environments);
}

/** The part of doctor that asks nobody. */
function whatDoctorSays({ environments }: LoadedConfig, own: readonly EnvironmentAnswers[]): string[] {
  return own.flatMap(({ name }) => {
    const loaded = environments.get(name);
    if (loaded?.kind !== 'ready') return [];
    const findings = [
      placesFinding(loaded.environment),
      ...datedFindings(loaded.environment, systemClock.now()),
    ];
    return findings.flatMap(({ kind, found }) => (kind === 'failed' ? [`${name}: ${found}`] : []));
  });
}

async function wantedOf(invocation: Invocation): Promise<Result<Wanted, Refusal> | 'interrupted'> {
  const file = textOption(invocation, 'answers');
  if (file !== undefined) return withoutAsking(invocation, await answersFrom(resolve(invocation.cwd, file)));
  if (textOption(invocation, 'name') !== undefined)
    return withoutAsking(invocation, answersFromFlags(invocation));
  const { output } = invocation;
  if (!output.inIsTerminal || !output.errIsTerminal || invocation.json || invocation.yes) {
    const why = invocation.json
      ? '--json asks no questions'
      : invocation.yes
        ? '--yes answers none of them'
        : 'there is no terminal to ask on';
    return err(
      refuse('usage', 'answers-missing', `what the environment is like must be known, and ${why}`, {
        details: ANSWERING_FLAGS,
        next: 'rollout init --yes --answers FILE.yaml (rollout init --help has an example)',
      }),
    );
  }
  const unheard = ONLY_WITH_NAME.filter(([option]) => given(invocation, option)).map(
    ([, written]) => written,
  );
  if (unheard.length > 0)
    return err(
      refuse('usage', 'answers-missing', `${unheard.join(', ')} would not be heard without --name`, {
        next: 'give --name too, and nothing is asked; or leave them out, and they are asked for',
      }),
    );
  const keyFile = textOption(invocation, 'keyFile');
  const asked = await askAll({
    output,
    signal: invocation.signal,
    ...(keyFile === undefined ? {} : { keyFile }),
    look: (projects, credentials) => look(invocation, projects, credentials),
  });
  if (asked.kind === 'interrupted') return 'interrupted';
  return ok({ ...asked, environments: [...asked.environments] });
}

function given({ options }: Invocation, option: string): boolean {
  const value = options[option];
  return value !== undefined && value !== false;
}

/** Flags that are not taken where questions are asked. */
const ONLY_WITH_NAME: readonly (readonly [option: string, written: string])[] = [
  ['project', '--project'],
  ['hostsFile', '--hosts-file'],
  ['bucket', '--bucket'],
  ['folder', '--folder'],
  ['prometheus', '--prometheus'],
  ['sshUser', '--ssh-user'],
  ['osLogin', '--os-login'],
  ['roleLabel', '--role-label'],
  ['promotesFrom', '--promotes-from'],
  ['playbooks', '--playbooks'],
];

const ANSWERING_FLAGS = [
  '--name NAME                            the environment',
  '--project PROJECT | --hosts-file FILE  where its VMs are known from',
  '--bucket BUCKET | --folder DIR         where packages and journal are kept',
  '--ssh-user USER | --os-login           who logs in to the VMs',
  '--prometheus URL                       where its metrics are; without it the VMs are asked over SSH',
];

/** Flags and files say what is wanted, but a change is confirmed. */
function withoutAsking(invocation: Invocation, answers: Result<Answers, Refusal>): Result<Wanted, Refusal> {
  if (!answers.ok) return answers;
  const { output } = invocation;
  if (!invocation.yes && (!output.inIsTerminal || !output.errIsTerminal || invocation.json))
    return err(
      refuse('usage', 'not-confirmed', 'about to write files, and there is no terminal to ask on', {
        next: 'the same command with --yes',
      }),
    );
  return ok({ ...answers.value, looks: new Map() });
}

async function answersFrom(file: string): Promise<Result<Answers, Refusal>> {
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => cause);
  if (typeof text !== 'string')
    return err(refuse('usage', 'bad-answers', `${file} cannot be read (${text.code})`));
  const answers = parseAnswers(text);
  return answers.ok
    ? answers
    : err(
        refuse('usage', 'bad-answers', `${file} does not answer what is needed`, {
          details: answers.error,
          next: 'rollout init --help has an example',
        }),
      );
}

function answersFromFlags(invocation: Invocation): Result<Answers, Refusal> {
  const given = (key: string, option: string): object => {
    const value = textOption(invocation, option);
    return value === undefined ? {} : { [key]: value };
  };
  const projects = listOption(invocation, 'project');
  const raw = {
    ...given('name', 'name'),
    ...given('promotesFrom', 'promotesFrom'),
    ...(projects.length === 0 ? {} : { projects }),
    ...given('hostsFile', 'hostsFile'),
    ...given('bucket', 'bucket'),
    ...given('folder', 'folder'),
    ...given('prometheus', 'prometheus'),
    ...given('sshUser', 'sshUser'),
    ...given('roleLabel', 'roleLabel'),
    ...given('keyFile', 'keyFile'),
    osLogin: flag(invocation, 'osLogin'),
  };
  const answers = checkAnswers({ environments: [raw], playbooks: flag(invocation, 'playbooks') });
  return answers.ok
    ? answers
    : err(
        refuse('usage', 'answers-missing', 'the flags do not answer what is needed', {
          details: [...answers.error, ...ANSWERING_FLAGS],
          next: 'rollout init --help',
        }),
      );
}

async function look(
  invocation: Invocation,
  projects: readonly string[],
  { keyFile, impersonate }: Credentials,
): Promise<Look> {
  const endpoints = endpointsFrom(invocation.env);
  if (!endpoints.ok) return { kind: 'unseen', why: endpoints.error };
  const credentials = {
    ...(keyFile === undefined ? {} : { keyFile: pathOf(keyFile, invocation) }),
    ...(impersonate === undefined ? {} : { impersonate }),
  };
  invocation.output.live(`listing the VMs of ${projects.join(', ')}`);
  const listed = await gceInventory({
    settings: {
      kind: 'gce',
      projects,
      roleLabel: 'type',
      address: '{internal}',
      publishedHostKeys: false,
      instanceCheck: false,
      credentials,
    },
    access: { credentials, endpoints: endpoints.value },
    clock: systemClock,
    listMs: LOOK_MS,
  }).list();
  invocation.output.live('');
  if (!listed.ok) return { kind: 'unseen', why: listed.error.message };
  const { hosts, at } = listed.value;
  return { kind: 'seen', hosts, proposals: proposalsFrom(hosts, at) };
}

/** Absolute: as the environment's file will have it read. */
function pathOf(written: string, invocation: Invocation): string {
  const base = {
    file: join(invocation.cwd, 'answers'),
    stateDir: stateDirOf(invocation),
    homeDir: invocation.home,
  };
  return expandPath(written, base);
}

/** Longest look at the VMs, ms: somebody waits to be asked on. */
const LOOK_MS = 30_000;

async function filesOf({ environments, playbooks, looks }: Wanted, { cwd }: Invocation): Promise<NewFile[]> {
  const own = environments.map((answers): NewFile => {
    const seen = looks.get(answers.name);
    return {
      path: `environments/${answers.name}.yaml`,
      text: environmentText(withPaths(answers, cwd), seen === undefined ? {} : { seen }),
    };
  });
  if (!playbooks) return own;
  const copies = PLAYBOOK_ACTIONS.map(
    async (action): Promise<NewFile> => ({
      path: `playbooks/${action}.yaml`,
      text: await readFile(join(shippedPlaybooks(), `${action}.yaml`), 'utf8'),
    }),
  );
  return [...own, ...(await Promise.all(copies))];
}

/** Said here, meant here, wherever the file will stand. */
function withPaths(answers: EnvironmentAnswers, cwd: string): EnvironmentAnswers {
  const { hostsFile, folder, identityFile, keyFile } = answers;
  return {
    ...answers,
    ...(hostsFile === undefined ? {} : { hostsFile: anchored(hostsFile, cwd) }),
    ...(folder === undefined ? {} : { folder: anchored(folder, cwd) }),
    ...(identityFile === undefined ? {} : { identityFile: anchored(identityFile, cwd) }),
    ...(keyFile === undefined ? {} : { keyFile: anchored(keyFile, cwd) }),
  };
}

function interrupted({ output }: Invocation): number {
  output.err('interrupted: nothing was written');
  return EXIT.interrupted;
}

function sayUnwritten(invocation: Invocation, error: WriteError): number {
  switch (error.kind) {
    case 'interrupted':
      return interrupted(invocation);
    case 'exists':
      return sayRefused(invocation, [
        refuse('usage', 'exists', 'there is such a file already; nothing was written', {
          details: error.files,
          next: 'give another name, or another folder with --config',
        }),
      ]);
    case 'wrong':
      return sayRefused(invocation, [
        refuse('usage', 'config-invalid', 'this would not be right; nothing was written:', {
          details: renderProblems(error.problems)
            .split('\n')
            .filter((line) => line.trim() !== ''),
          next: whereToMend(invocation, error.problems),
        }),
      ]);
    case 'unwritable':
      return sayRefused(invocation, [
        refuse('failed', 'not-written', `nothing was written: ${error.message}`),
      ]);
    default:
      return error satisfies never;
  }
}

/** Which question, line or flag it came from. */
function whereToMend(invocation: Invocation, problems: readonly Problem[]): string {
  const answers = textOption(invocation, 'answers');
  if (answers !== undefined) return `correct ${answers}, then the same command`;
  if (textOption(invocation, 'name') === undefined) return 'rollout init, and answer differently';
  const options = problems.flatMap(
    ({ path }) => FLAG_OF.find(([key]) => path === key || path.startsWith(`${key}[`))?.[1] ?? [],
  );
  const flags = [...new Set(options)].join(', ');
  return flags === '' ? 'correct the flags: rollout init --help' : `give another ${flags}`;
}

/** By the key that a flag's value is written to. */
const FLAG_OF: readonly (readonly [key: string, flag: string])[] = [
  ['environment', '--name'],
  ['promotesFrom', '--promotes-from'],
  ['inventory.projects', '--project'],
  ['inventory.file', '--hosts-file'],
  ['inventory.roleLabel', '--role-label'],
  ...['inventory', 'artifacts', 'journal'].map(
    (part) => [`${part}.credentials.keyFile`, '--key-file'] as const,
  ),
  ...['artifacts', 'journal'].flatMap((part) => [
    [`${part}.bucket`, '--bucket'] as const,
    [`${part}.path`, '--folder'] as const,
  ]),
  ['ssh.user', '--ssh-user'],
  ['prometheus.url', '--prometheus'],
];

function sayWritten(
  invocation: Invocation,
  dir: string,
  files: readonly string[],
  environments: readonly EnvironmentAnswers[],
): number {
  const [first] = environments;
  const here = relative(invocation.cwd, dir) === '' ? '' : ` --config ${dir}`;
  const next = `rollout doctor ${first?.name ?? ''}${here}`;
  if (invocation.json) {
    jsonLine(invocation, 'result', { exit: EXIT.done, code: 'written', files, next });
    return EXIT.done;
  }
  const paint = createPaint(invocation.output.color, invocation.output.foldAt);
  const rows = [...files.map((file) => ['written', file] as const), ['next', next] as const];
  invocation.output.out(facts(rows, paint).join('\n'));
  return EXIT.done;
}
