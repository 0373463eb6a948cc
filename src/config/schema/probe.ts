/** Keys about the probe, which asks hosts themselves over SSH. */
import { z } from 'zod';
import { duration, issue } from './parts.ts';

/** probe.sh takes no longer one: a connection waits for it. */
const LONGEST_SAMPLE_MS = 60_000;

export const probeSchema = z
  .strictObject({
    hosts: z.int().min(1).prefault(50).meta({
      description:
        'Most changed hosts, and most control hosts, that one evaluation asks: the first ones of every stratum. The others are not missed.',
      unit: 'hosts',
    }),
    every: duration(1).prefault('5m').meta({
      description:
        'Beside `prometheus`: how often while all is clear; in between the gates of the probe have no vote. Without `prometheus` every evaluation asks (`sampleEvery`).',
    }),
    sample: duration(100)
      .transform((ms, ctx) => {
        if (ms <= LONGEST_SAMPLE_MS) return ms;
        ctx.issues.push(issue(ms, 'it must be at most 1m', { found: `${ms}ms`, allowed: ['5s'] }));
        return z.NEVER;
      })
      .prefault('5s')
      .meta({
        description: 'How long a host waits between two readings where it has kept none that is recent.',
      }),
  })
  .prefault({})
  .meta({
    description:
      'How hosts are asked for what Prometheus cannot see, and for everything where there is no `prometheus`. A reading takes a host some 20 ms of CPU.',
  });
