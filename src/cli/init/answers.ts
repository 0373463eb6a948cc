/** What `rollout init` needs to know of an environment: asked, given by flags, or read from a file. */
import { isAbsolute, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { StratumKey } from '../../domain/policy.ts';
import { err, ok, type Result } from '../../domain/result.ts';

const text = () => z.string().regex(/\S/);
const name = () =>
  z.string().regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'small letters, digits and dashes are allowed');

const environment = z
  .strictObject({
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
    prometheus: text(),
    tokenEnv: text().optional(),
    hostLabel: text().prefault('fqdn'),
    hostValue: text().optional(),
    matchers: z.string().prefault(''),
    strata: z
      .array(z.enum(['role', 'machineType', 'os', 'zone']))
      .min(1)
      .optional(),
  })
  .superRefine((one, ctx) => {
    const want = (fits: boolean, message: string): void => {
      if (!fits) ctx.addIssue({ code: 'custom', message: `${one.name}: ${message}` });
    };
    want(
      (one.projects === undefined) !== (one.hostsFile === undefined),
      'either projects or hostsFile is needed',
    );
    want((one.bucket === undefined) !== (one.folder === undefined), 'either bucket or folder is needed');
    want(one.osLogin !== (one.sshUser !== undefined), 'either sshUser or osLogin: true is needed');
    want(!one.osLogin || one.projects !== undefined, 'osLogin needs projects');
    want(!one.iap || one.projects !== undefined, 'iap needs projects');
  });

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
  if (parsed.success) return ok(parsed.data);
  return err(
    parsed.error.issues.map(({ path, message, code }) => {
      const where = path.map(String).join('.');
      if (code === 'invalid_type' && message.endsWith('received undefined')) return `${where} is missing`;
      return code === 'custom' || where === '' ? message : `${where}: ${message}`;
    }),
  );
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
