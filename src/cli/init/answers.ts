/** What `rollout init` needs to know of an environment: asked, given by flags, or read from a file. */
import { isAbsolute, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { artifactsSchema } from '../../config/schema/fleet.ts';
import { isRecord } from '../../domain/is-record.ts';
import { nearestWord } from '../../domain/nearest.ts';
import type { StratumKey } from '../../domain/policy.ts';
import { err, ok, type Result } from '../../domain/result.ts';

const text = () => z.string().regex(/\S/);
const name = () =>
  z.string().regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'small letters, digits and dashes are allowed');

const environment = z.strictObject({
  name: name(),
  description: z.string().prefault(''),
  promotesFrom: name().nullable().prefault(null),
  /** Asks for its name to be typed, waits for approval after the canaries, and goes in smaller waves. */
  production: z.boolean().optional(),
  /** Compute Engine projects; or `hostsFile`. */
  projects: z.array(text()).min(1).optional(),
  zones: z.array(text()).min(1).optional(),
  filter: text().optional(),
  roleLabel: text().prefault('type'),
  address: text().prefault('{internal}'),
  hostsFile: text().optional(),
  /** For packages and journal; or `folder`. */
  bucket: text().optional(),
  prefix: text().prefault('rollout'),
  delivery: z.enum(['signed-url', 'service-account', 'sftp']).prefault('signed-url'),
  folder: text().optional(),
  keyFile: text().optional(),
  impersonate: text().optional(),
  sshUser: text().optional(),
  osLogin: z.boolean().prefault(false),
  identityFile: text().optional(),
  iap: z.boolean().prefault(false),
  /** Base URL; absent: there is none, and the hosts are asked over SSH. */
  prometheus: text().optional(),
  tokenEnv: text().optional(),
  hostLabel: text().prefault('fqdn'),
  hostValue: text().optional(),
  matchers: z.string().prefault(''),
  strata: z
    .array(z.enum(['role', 'machineType', 'os', 'zone']))
    .min(1)
    .optional(),
});

/** Of the series, and of how one gets at them. */
export const ONLY_WITH_PROMETHEUS = ['tokenEnv', 'hostLabel', 'hostValue', 'matchers'] as const;

/** What a single key cannot tell; also of answers that are wrong elsewhere, so that all of it is said at once. */
function disagreements(one: Readonly<Record<string, unknown>>): string[] {
  const has = (key: string): boolean => one[key] !== undefined;
  const said = (key: string): boolean => one[key] === true;
  const label = typeof one['name'] === 'string' ? `${one['name']}: ` : '';
  const wants: readonly (readonly [fits: boolean, message: string])[] = [
    [has('projects') !== has('hostsFile'), 'either projects or hostsFile is needed'],
    [has('bucket') !== has('folder'), 'either bucket or folder is needed'],
    [said('osLogin') !== has('sshUser'), 'either sshUser or osLogin: true is needed'],
    [!said('osLogin') || has('projects'), 'osLogin needs projects'],
    [!said('iap') || has('projects'), 'iap needs projects'],
    ...ONLY_WITH_PROMETHEUS.map(
      (key) => [!has(key) || has('prometheus'), `${key} needs prometheus`] as const,
    ),
    ...(['keyFile', 'impersonate'] as const).map(
      (key) =>
        [
          !has(key) || has('projects') || has('bucket'),
          `${key} needs projects or bucket: nothing else is asked with it`,
        ] as const,
    ),
    ...(['bucket', 'prefix'] as const).map((key) => {
      const value = one[key];
      const why = typeof value === 'string' ? unfitPlace(key, value) : null;
      return [why === null, `${key}: ${why ?? ''}`] as const;
    }),
  ];
  return wants.flatMap(([fits, message]) => (fits ? [] : [`${label}${message}`]));
}

/** By the rules of the files themselves; null when it fits. */
export function unfitPlace(key: 'bucket' | 'prefix', value: string): string | null {
  const place = { kind: 'gcs', bucket: 'any-bucket', delivery: 'signed-url', [key]: value };
  const parsed = artifactsSchema.safeParse(place);
  const wrong = parsed.success ? undefined : parsed.error.issues.find(({ path }) => path[0] === key);
  if (wrong === undefined) return null;
  const means = key === 'bucket' ? 'the name of a bucket, without gs://' : 'a folder such as rollout';
  return `${JSON.stringify(value)} does not fit; ${means}${key === 'bucket' ? '' : ', without a slash at either end or two in a row'}`;
}

const answersSchema = z.strictObject({
  environments: z.array(environment).min(1),
  playbooks: z.boolean().prefault(false),
});

export type EnvironmentAnswers = z.output<typeof environment>;
export type Answers = z.output<typeof answersSchema>;
export type RawEnvironment = z.input<typeof environment>;

export const DEFAULT_STRATA: readonly StratumKey[] = ['role', 'machineType', 'os'];

/** With every default; the failing side is one sentence a mistake. */
export function checkAnswers(raw: unknown): Result<Answers, readonly string[]> {
  const parsed = answersSchema.safeParse(raw);
  const disagreeing = environmentsOf(raw).flatMap(disagreements);
  if (parsed.success && disagreeing.length === 0) return ok(parsed.data);
  const issues = parsed.success ? [] : parsed.error.issues;
  return err([...issues.flatMap(sentencesOf), ...disagreeing]);
}

function sentencesOf(issue: z.core.$ZodIssue): string[] {
  const { path, message, code } = issue;
  const where = path.map(String).join('.');
  if (code === 'unrecognized_keys') {
    const keys = Object.keys(path.length === 0 ? answersSchema.shape : environment.shape);
    return issue.keys.map((key) => {
      const meant = nearestWord(key, keys);
      const hint = meant === null ? `the keys are ${keys.join(', ')}` : `did you mean ${meant}?`;
      return `${where === '' ? '' : `${where}: `}there is no key ${key}; ${hint}`;
    });
  }
  if (code === 'invalid_type' && message.endsWith('received undefined')) return [`${where} is missing`];
  return [where === '' ? message : `${where}: ${message}`];
}

function environmentsOf(raw: unknown): Readonly<Record<string, unknown>>[] {
  const list = isRecord(raw) ? raw['environments'] : undefined;
  return Array.isArray(list) ? list.filter(isRecord) : [];
}

/** An answers file. Paths in it are relative to `folder`. */
export function parseAnswers(yamlText: string): Result<Answers, readonly string[]> {
  let raw: unknown;
  try {
    raw = parse(yamlText);
  } catch (cause) {
    return err([
      `it is no YAML: ${(cause instanceof Error ? cause.message : String(cause)).split('\n', 1)[0]}`,
    ]);
  }
  return checkAnswers(raw);
}

/** Paths as an environment's file takes them from anywhere: absolute, or beginning with `~/` or `${state}`. */
export function anchored(path: string, cwd: string): string {
  return path.startsWith('~/') || path.startsWith('${state}') || isAbsolute(path) ? path : resolve(cwd, path);
}
