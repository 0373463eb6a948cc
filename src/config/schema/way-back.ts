/**
 * Keys about the way back that a host has by itself. In an environment or in the playbook of a rollout, the environment's own first, key
 * by key.
 */
import { z } from 'zod';
import { duration, issue } from './parts.ts';

/** Below it no attempt at a host could end in time, ms. */
export const LEAST_REVERT_AFTER_MS = 10_000;

const SIZE_EXAMPLES = ['300MB', '512MiB', '1GB'];
const SIZES: Readonly<Record<string, number>> = {
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

/** Bytes. */
const size = () =>
  z
    .string()
    .meta({ form: 'size', allowed: SIZE_EXAMPLES, pattern: '^\\d+(kB|MB|GB|KiB|MiB|GiB)$' })
    .transform((text, ctx) => {
      const [, digits = '', unit = ''] = /^(\d{1,12})(kB|MB|GB|KiB|MiB|GiB)$/.exec(text) ?? [];
      const bytes = Number(digits) * (SIZES[unit] ?? Number.NaN);
      if (bytes >= 2 ** 20 && bytes <= 2 ** 50) return bytes;
      const detail = { found: text, allowed: SIZE_EXAMPLES };
      ctx.issues.push(issue(text, 'not a size of at least 1MiB', detail));
      return z.NEVER;
    });

const QUOTA_EXAMPLES = ['20%', '150%'];

/** Percent of one core. */
const cpuQuota = () =>
  z
    .string()
    .meta({ form: 'percentage of one core', allowed: QUOTA_EXAMPLES, pattern: '^\\d{1,4}%$' })
    .transform((text, ctx) => {
      const percent = Number(/^(\d{1,4})%$/.exec(text)?.[1] ?? Number.NaN);
      if (percent >= 1) return percent;
      const detail = { found: text, allowed: QUOTA_EXAMPLES };
      ctx.issues.push(issue(text, 'not a whole percentage of one core, at least 1%', detail));
      return z.NEVER;
    });

export const revertTimerSchema = z
  .union([
    z.literal('none'),
    z.strictObject({
      after: duration(LEAST_REVERT_AFTER_MS).prefault('2h').meta({
        description:
          'How long a changed host waits before it puts the previous version back by itself. While the rollout goes on it is told in time to wait on; behind a program that was killed, a cut network or a pause it goes back.',
      }),
      disarm: z.enum(['after-proof', 'after-soak']).prefault('after-soak').meta({
        description:
          'When a host is told that the version stays: as soon as it is proven there to run, or once its wave was seen healthy.',
      }),
    }),
  ])
  .prefault({})
  .meta({
    form: 'timer',
    description:
      'The way back that every changed host has by itself, armed before anything is installed there. none: without it, a program that dies leaves hosts on an unproven version.',
    allowed: ['{ after: 2h, disarm: after-soak }', 'none'],
  });

export const guardSchema = z
  .union([
    z.literal('none'),
    z.strictObject({
      cpuQuota: cpuQuota().optional().meta({ description: "systemd's CPUQuota of the agent's unit." }),
      memoryMax: size().optional().meta({ description: "systemd's MemoryMax of the agent's unit." }),
    }),
  ])
  .prefault('none')
  .meta({
    form: 'guard',
    description:
      'Held by the agent’s unit while a host may still go back by itself, and lifted when the version stays. What it throttles counts for the gate on throttling.',
    allowed: ['{ cpuQuota: 20%, memoryMax: 300MB }', 'none'],
  });

export const databaseSchema = z.enum(['keep', 'move-aside']).prefault('keep').meta({
  description:
    "The agent's database on the way back, where the older version cannot read it. keep: it stays, and the agent may not start. move-aside: it is moved beside itself, at the price of a new enrolment, of events not sent yet, and of every row sent again.",
});
