/** Keys about how a rollout goes: waves, watching and limits. Playbooks have some of them as defaults under an environment's own. */
import { z } from 'zod';
import { BUILTIN_GATES } from '../../domain/builtin-gates.ts';
import { nearestWord } from '../../domain/nearest.ts';
import { bound, duration, issue, someText, word } from './parts.ts';

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

const QUERY_PLACES = ['$hosts', '$label', '$window', '$process', '$matchers'];

const query = () =>
  someText()
    .meta({ form: 'PromQL', allowed: QUERY_PLACES })
    .check((ctx) => {
      for (const match of ctx.value.matchAll(/\$[A-Za-z_]\w*/g)) {
        if (QUERY_PLACES.includes(match[0])) continue;
        const meant = nearestWord(match[0], QUERY_PLACES);
        const detail = {
          found: match[0],
          allowed: QUERY_PLACES,
          offset: match.index,
          ...(meant === null ? {} : { suggestion: meant }),
        };
        ctx.issues.push(issue(ctx.value, `\`${match[0]}\` is nothing that is filled in`, detail));
      }
    });

export const BUILTIN_GATE_NAMES = Object.keys(BUILTIN_GATES);

export const gateSchema = z.strictObject({
  use: z
    .enum(BUILTIN_GATE_NAMES)
    .optional()
    .meta({ description: 'A gate that ships with the program; the other keys change it.' }),
  name: word(/^[a-z0-9][a-z0-9-]*$/, 'small letters, digits and dashes')
    .optional()
    .meta({ description: 'Name in verdicts. A gate of your own needs one.' }),
  query: query().optional().meta({
    description:
      'Gives one series a host. `$hosts`, `$label`, `$window`, `$process` and `$matchers` are filled in.',
  }),
  unit: someText()
    .optional()
    .meta({ description: 'What the number means, such as cores. Shown, not computed with.' }),
  direction: z
    .enum(['above', 'below'])
    .optional()
    .meta({ description: 'On which side of the limit it is bad.' }),
  limit: z.number().optional().meta({ description: 'The verdict fails beyond it.', unit: "the gate's own" }),
  window: duration(1).optional().meta({
    description: "Look-back of the query's rate; that long after a change samples do not count yet.",
  }),
  for: duration().optional().meta({
    description:
      'How long the limit must be exceeded without a break. A gate of your own: 0s, one sample is enough.',
  }),
});

export const gatesSchema = z
  .array(gateSchema)
  .min(1)
  .prefault(BUILTIN_GATE_NAMES.map((name) => ({ use: name })))
  .meta({
    description: 'What must stay healthy while waves soak and the environment bakes.',
    allowed: ['a list of gates, at least one: a rollout without any would watch nothing'],
  });

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
