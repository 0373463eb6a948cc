/** Keys about how a rollout goes: waves, soak and limits; gates are in gates.ts. Playbooks have some of them as defaults under an environment's own. */
import { z } from 'zod';
import { bound, duration } from './parts.ts';

export const STRATUM_KEYS = ['role', 'machineType', 'os', 'zone'] as const;

export const wavesSchema = z
  .strictObject({
    strata: z
      .array(z.enum(STRATUM_KEYS))
      .min(1)
      .prefault([...STRATUM_KEYS])
      .meta({
        description:
          'What could make the agent behave differently; the canary wave has one host of every combination.',
        allowed: ['a list of attributes, at least one'],
      }),
    then: z
      .array(bound())
      .min(1)
      .prefault(['10%', '30%', '100%'])
      .meta({
        description:
          'Waves after the canary wave: how many of the remaining hosts are changed by then. They grow, and end with 100%.',
        allowed: ['a list that ends with "100%"'],
      }),
    maxUnavailable: z
      .strictObject({
        environment: bound().prefault('10%').meta({ description: 'In the whole environment.' }),
        zone: bound().prefault('34%').meta({ description: 'In one zone.' }),
        role: bound().prefault(1).meta({ description: 'In one role.' }),
      })
      .prefault({})
      .meta({ description: 'Most hosts out of service at once: being changed, failed or not answering.' }),
  })
  .prefault({})
  .meta({ description: 'In which portions hosts are changed.' });

export const soakSchema = duration(1)
  .prefault('15m')
  .meta({ description: 'Observed time that a wave must stay healthy. A wave is never left unwatched.' });

const hostsCount = (description: string) => z.int().min(0).prefault(0).meta({ description, unit: 'hosts' });

export const limitsSchema = z
  .strictObject({
    failedHosts: hostsCount(
      'Hosts that may fail to take the version. One more, and it is rolled back everywhere.',
    ),
    unreachableHosts: hostsCount(
      'Hosts that may stay out of reach and are left out (listed, exit 5). One more holds the rollout.',
    ),
    hostDeadline: duration(1).prefault('10m').meta({
      description: 'How long a host may go without a proven outcome before it counts as out of reach.',
    }),
    retryEvery: duration(1)
      .prefault('30s')
      .meta({ description: 'Pause between attempts at a host that did not answer.' }),
    rollbackDeadline: duration(1)
      .prefault('15m')
      .meta({ description: 'How long a rollback tries a host before it ends as incomplete.' }),
  })
  .prefault({})
  .meta({ description: 'What is borne before a rollout holds or goes back.' });
