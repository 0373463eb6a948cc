/** Asks for what an environment's file needs, with what a look at the project proposes. Writes nothing. */

import type { Host } from '../../domain/host.ts';
import type { Output } from '../invocation.ts';
import {
  checkAnswers,
  type EnvironmentAnswers,
  type ONLY_WITH_PROMETHEUS,
  type RawEnvironment,
  unfitPlace,
} from './answers.ts';
import { type Proposals, proposalLines, strataFrom } from './proposals.ts';

/** What a look at the VMs gave, or why there is none. */
export type Look =
  | { readonly kind: 'seen'; readonly hosts: readonly Host[]; readonly proposals: Proposals }
  | { readonly kind: 'unseen'; readonly why: string };

export interface AskOptions {
  readonly output: Output;
  readonly signal: AbortSignal;
  /** Key file that a flag gave: nothing is asked about credentials then. */
  readonly keyFile?: string;
  /** Lists the VMs of these projects with these credentials. */
  readonly look: (projects: readonly string[], credentials: Credentials) => Promise<Look>;
}

/** Whose rights are used; empty: the Application Default Credentials. */
export type Credentials = Pick<RawEnvironment, 'keyFile' | 'impersonate'>;

export type Asked =
  | {
      readonly kind: 'answered';
      readonly environments: readonly EnvironmentAnswers[];
      readonly looks: ReadonlyMap<string, Proposals>;
      readonly playbooks: boolean;
    }
  /** Ctrl-C, or the input ended. */
  | { readonly kind: 'interrupted' };

/** What the library throws at Ctrl-C, at the end of the input, and when the signal is raised. */
const ENDED: ReadonlySet<string> = new Set(['ExitPromptError', 'AbortPromptError', 'CancelPromptError']);

export async function askAll(options: AskOptions): Promise<Asked> {
  const ask = await asker(options);
  const looks = new Map<string, Proposals>();
  try {
    const first = await askEnvironment(ask, options, looks);
    const environments = [first];
    if (
      await ask.yes('Add the environment that takes its versions from this one, such as production?', false)
    )
      environments.push(await askSuccessor(ask, options, looks, first));
    const playbooks = await ask.yes('Copy the playbooks too, to change them?', false);
    return { kind: 'answered', environments, looks, playbooks };
  } catch (error) {
    if (error instanceof Error && ENDED.has(error.name)) return { kind: 'interrupted' };
    throw error;
  }
}

/** A yes or no; null when it was called off. */
export async function askYes(
  options: Pick<AskOptions, 'output' | 'signal'>,
  message: string,
): Promise<boolean | null> {
  const ask = await asker(options);
  try {
    return await ask.yes(message, true);
  } catch (error) {
    if (error instanceof Error && ENDED.has(error.name)) return null;
    throw error;
  }
}

interface Ask {
  text(message: string, preset?: string, fits?: (text: string) => string | true): Promise<string>;
  /** May be left empty. */
  perhaps(message: string): Promise<string | undefined>;
  yes(message: string, preset: boolean): Promise<boolean>;
  one<T extends string>(
    message: string,
    choices: readonly { readonly value: T; readonly name: string }[],
  ): Promise<T>;
}

async function asker({ output, signal }: Pick<AskOptions, 'output' | 'signal'>): Promise<Ask> {
  const { default: inquirer } = await import('inquirer');
  const prompt = inquirer.createPromptModule({ output: output.promptStream, signal });
  output.live('');
  return {
    text: async (message, preset, fits = some) =>
      (
        await prompt<{ answer: string }>([
          {
            type: 'input',
            name: 'answer',
            message,
            ...(preset === undefined ? {} : { default: preset }),
            validate: (text: string) => fits(text.trim()),
          },
        ])
      ).answer.trim(),
    perhaps: async (message) => {
      const { answer } = await prompt<{ answer: string }>([{ type: 'input', name: 'answer', message }]);
      return answer.trim() === '' ? undefined : answer.trim();
    },
    yes: async (message, preset) =>
      (await prompt<{ go: boolean }>([{ type: 'confirm', name: 'go', message, default: preset }])).go,
    one: async (message, choices) => {
      const { choice } = await prompt<{ choice: string }>([
        { type: 'select', name: 'choice', message, choices: [...choices] },
      ]);
      const chosen = choices.find(({ value }) => value === choice);
      if (chosen === undefined) throw new Error(`bug: nobody offered ${choice}`);
      return chosen.value;
    },
  };
}

function some(text: string): string | true {
  return text === '' ? 'something must stand here' : true;
}

function aName(text: string): string | true {
  return /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(text) || 'small letters, digits and dashes, such as gstg';
}

function aUrl(text: string): string | true {
  return /^https?:\/\/[^\s/]+/.test(text) || 'a base URL, such as https://prometheus.example.com';
}

function perhapsAUrl(text: string): string | true {
  return text === '' || aUrl(text);
}

function anAccount(text: string): string | true {
  return /^[^@\s]+@[^@\s]+$/.test(text) || 'such as rollout@my-project.iam.gserviceaccount.com';
}

function aBucket(text: string): string | true {
  return unfitPlace('bucket', bareBucket(text)) ?? true;
}

function aPrefix(text: string): string | true {
  return unfitPlace('prefix', text) ?? true;
}

/** As it is often copied. */
function bareBucket(text: string): string {
  return text.replace(/^gs:\/\//, '').replace(/\/+$/, '');
}

async function askEnvironment(
  ask: Ask,
  options: AskOptions,
  looks: Map<string, Proposals>,
): Promise<EnvironmentAnswers> {
  const name = await ask.text('Name of the environment:', 'gstg', aName);
  const source = await ask.one('Where are its VMs known from?', [
    { value: 'gce', name: 'Google Compute Engine' },
    { value: 'static', name: 'a list in a file' },
  ]);
  const fleet: Partial<RawEnvironment> =
    source === 'gce'
      ? await askGce(ask, options, looks, name)
      : { hostsFile: await ask.text('File with the list of VMs (YAML or JSON):') };
  const place = await askPlace(ask, source);
  const credentials: Credentials =
    source === 'static' && place.bucket !== undefined ? await askCredentials(ask, options) : {};
  const ssh = await askSsh(ask, source);
  const prometheus = await askPrometheus(ask, 'Base URL of Prometheus');
  return checked({ name, ...fleet, ...place, ...credentials, ...ssh, ...prometheus });
}

async function askPrometheus(ask: Ask, what: string): Promise<Partial<RawEnvironment>> {
  const question = `${what} (empty: none, the hosts are asked over SSH):`;
  const prometheus = await ask.text(question, undefined, perhapsAUrl);
  if (prometheus === '') return {};
  const tokenEnv = await ask.perhaps('Environment variable with its bearer token (empty: none):');
  const hostLabel = await ask.text('Label of its series that names the host:', 'fqdn');
  return { prometheus, hostLabel, ...(tokenEnv === undefined ? {} : { tokenEnv }) };
}

async function askGce(
  ask: Ask,
  options: AskOptions,
  looks: Map<string, Proposals>,
  name: string,
): Promise<Partial<RawEnvironment>> {
  const { output, look } = options;
  const projects = words(await ask.text('Projects, with commas between them:'));
  const credentials = await askCredentials(ask, options);
  const seen: Look = (await ask.yes('Look at their VMs now, to propose roles and waves?', true))
    ? await look(projects, credentials)
    : { kind: 'unseen', why: '' };
  const address = await ask.one('What does SSH connect to?', [
    { value: '{internal}', name: 'the internal address' },
    { value: '{name}.c.{project}.internal', name: 'the internal DNS name, NAME.c.PROJECT.internal' },
    { value: '{external}', name: 'the external address' },
  ]);
  if (seen.kind === 'unseen') {
    if (seen.why !== '') output.err(`  the VMs could not be seen: ${seen.why}`);
    const roleLabel = await ask.text('Label of a VM whose value is its role:', 'type');
    return { projects, ...credentials, address, roleLabel };
  }
  looks.set(name, seen.proposals);
  for (const line of proposalLines(seen.proposals)) output.err(`  ${line}`);
  const roleLabel = await askRole(ask, seen.proposals);
  const { strata, canaries } = strataFrom(seen.hosts, roleLabel);
  output.err(`  one canary of every ${strata.join(', ')}: ${canaries} VMs`);
  return { projects, ...credentials, address, roleLabel, strata: [...strata] };
}

async function askCredentials(ask: Ask, { keyFile }: AskOptions): Promise<Credentials> {
  if (keyFile !== undefined) return { keyFile };
  const whose = await ask.one('Whose rights in Google Cloud are used?', [
    { value: 'default', name: 'the Application Default Credentials of whoever runs rollout' },
    { value: 'key', name: 'those of a service account, by its key file' },
    { value: 'impersonate', name: 'those of a service account that whoever runs rollout may act as' },
  ]);
  if (whose === 'default') return {};
  if (whose === 'key') return { keyFile: await ask.text('Key file:') };
  return { impersonate: await ask.text('E-mail address of the service account:', undefined, anAccount) };
}

async function askRole(ask: Ask, { roleLabels }: Proposals): Promise<string> {
  const other = ' ';
  const chosen =
    roleLabels.length === 0
      ? other
      : await ask.one('Which label says what a VM is for?', [
          ...roleLabels.map(({ key, on, values }) => ({
            value: key,
            name: `${key}: ${values.slice(0, 4).join(', ')}${values.length > 4 ? ', ...' : ''} (${values.length} values on ${on} VMs)`,
          })),
          { value: other, name: 'another one' },
        ]);
  return chosen === other ? ask.text('Label of a VM whose value is its role:', 'type') : chosen;
}

async function askPlace(ask: Ask, source: 'gce' | 'static'): Promise<Partial<RawEnvironment>> {
  const where = await ask.one('Where are packages and journal kept?', [
    ...(source === 'gce' ? [] : [{ value: 'folder' as const, name: 'in a folder of this machine' }]),
    { value: 'bucket' as const, name: 'in a bucket of Google Cloud Storage' },
    ...(source === 'gce' ? [{ value: 'folder' as const, name: 'in a folder of this machine' }] : []),
  ]);
  if (where === 'folder') return { folder: await ask.text('Folder:', '~/.local/share/rollout') };
  const bucket = bareBucket(await ask.text('Bucket:', undefined, aBucket));
  const prefix = await ask.text('Folder in it:', 'rollout', aPrefix);
  return { bucket, prefix };
}

async function askSsh(ask: Ask, source: 'gce' | 'static'): Promise<Partial<RawEnvironment>> {
  const who =
    source === 'static'
      ? ('user' as const)
      : await ask.one('Who logs in to the VMs?', [
          { value: 'user' as const, name: 'a user that they all have' },
          { value: 'os-login' as const, name: 'the OS Login user of the credentials' },
        ]);
  const user: Partial<RawEnvironment> =
    who === 'user' ? { sshUser: await ask.text('User:', 'rollout') } : { osLogin: true };
  const identityFile = await ask.perhaps('Private key (empty: the SSH agent):');
  const iap = source === 'gce' && (await ask.yes('Through IAP (gcloud compute start-iap-tunnel)?', false));
  return { ...user, iap, ...(identityFile === undefined ? {} : { identityFile }) };
}

/** Only what differs is asked again. */
async function askSuccessor(
  ask: Ask,
  options: AskOptions,
  looks: Map<string, Proposals>,
  before: EnvironmentAnswers,
): Promise<EnvironmentAnswers> {
  const name = await ask.text('Its name:', before.name === 'gstg' ? 'gprd' : undefined, aName);
  const { projects: _projects, hostsFile: _file, bucket: oldBucket, strata: oldStrata, ...rest } = before;
  // Of Compute Engine, credentials are asked for again: another project has another service account.
  const { keyFile: _key, impersonate: _account, ...bare } = rest;
  const same = before.projects === undefined ? rest : bare;
  const fleet: Partial<RawEnvironment> =
    before.projects === undefined
      ? { hostsFile: await ask.text('File with the list of its VMs:') }
      : await askGce(ask, options, looks, name);
  const bucket =
    oldBucket === undefined ? {} : { bucket: bareBucket(await ask.text('Its bucket:', oldBucket, aBucket)) };
  const strata = oldStrata === undefined ? {} : { strata: oldStrata };
  const prometheus = await askItsPrometheus(ask, before);
  const own = { ...strata, ...fleet, ...bucket, ...prometheus };
  return checked({ ...withoutPrometheus(same), ...own, name, promotesFrom: before.name });
}

/** Where the one before has one, its series and its token are of the same kind. */
async function askItsPrometheus(ask: Ask, before: EnvironmentAnswers): Promise<Partial<RawEnvironment>> {
  const { prometheus, tokenEnv, hostLabel, hostValue, matchers } = before;
  if (prometheus === undefined) return askPrometheus(ask, 'Base URL of its Prometheus');
  return {
    prometheus: await ask.text('Base URL of its Prometheus:', prometheus, aUrl),
    hostLabel,
    matchers,
    ...(tokenEnv === undefined ? {} : { tokenEnv }),
    ...(hostValue === undefined ? {} : { hostValue }),
  };
}

function withoutPrometheus<T extends Partial<EnvironmentAnswers>>(
  answers: T,
): Omit<T, 'prometheus' | (typeof ONLY_WITH_PROMETHEUS)[number]> {
  const { prometheus: _, tokenEnv: _t, hostLabel: _l, hostValue: _v, matchers: _m, ...rest } = answers;
  return rest;
}

function checked(raw: RawEnvironment): EnvironmentAnswers {
  const answers = checkAnswers({ environments: [raw] });
  const [only] = answers.ok ? answers.value.environments : [];
  if (only === undefined)
    throw new Error(`bug: answers that do not fit: ${answers.ok ? '' : answers.error.join('; ')}`);
  return only;
}

function words(text: string): string[] {
  return text.split(/[\s,]+/u).filter((part) => part !== '');
}
