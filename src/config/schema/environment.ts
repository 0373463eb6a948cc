/** The file `environments/NAME.yaml`. The schema is the only place where its keys, defaults and descriptions are written. */
import { z } from 'zod';
import {
  agentSchema,
  artifactsSchema,
  inventorySchema,
  journalSchema,
  prometheusSchema,
  sshSchema,
  targetingSchema,
} from './fleet.ts';
import { gatesSchema } from './gates.ts';
import { controllersSchema, lifecycleSchema } from './lifecycle.ts';
import { approvedBySchema, changeSchema, maintenanceSchema, pacingSchema } from './pacing.ts';
import { duration, moment, someText, word } from './parts.ts';
import { probeSchema } from './probe.ts';
import { limitsSchema, soakSchema, wavesSchema } from './strategy.ts';
import { databaseSchema, guardSchema, revertTimerSchema } from './way-back.ts';
import { witnessesSchema } from './witnesses.ts';

const name = () => word(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'small letters, digits and dashes');

export const environmentSchema = z
  .strictObject({
    environment: name().meta({ description: "Name of the environment; also the file's name." }),
    description: z
      .string()
      .prefault('')
      .meta({ description: 'What this fleet is, for people.', form: 'text' }),
    example: z.boolean().prefault(false).meta({
      description:
        'An example that belongs to nobody: it is checked, and never used. Take the line out once it is yours.',
    }),
    promotesFrom: name().nullable().prefault(null).meta({
      description: 'Environment that must have proven a version first. null: deployed to directly.',
    }),
    inventory: inventorySchema,
    artifacts: artifactsSchema,
    journal: journalSchema,
    ssh: sshSchema,
    prometheus: prometheusSchema.optional(),
    probe: probeSchema,
    agent: agentSchema,
    targeting: targetingSchema,
    coverage: z
      .strictObject({
        target: z.number().min(0).max(100).prefault(100).meta({
          description: 'Below this share of covered VMs `rollout coverage` fails.',
          unit: 'percent',
        }),
      })
      .prefault({})
      .meta({ description: 'What an auditor is promised.' }),
    waves: wavesSchema,
    soak: soakSchema,
    bake: duration(1).prefault('24h').meta({
      description:
        'Observed time that the environment must stay healthy after its last wave, before the next one may have the version.',
    }),
    sampleEvery: duration(100).prefault('60s').meta({ description: 'Distance of two samples of a gate.' }),
    consecutiveErrors: z.int().min(0).prefault(0).meta({
      description:
        'Evaluations in a row that the source of a gate’s numbers may fail before the rollout counts as held. Meanwhile it waits, and the time does not count as observed.',
      unit: 'evaluations',
    }),
    prove: duration()
      .prefault('10s')
      .meta({ description: 'How long the agent must run without a restart before a host counts as proven.' }),
    limits: limitsSchema,
    revertTimer: revertTimerSchema,
    guard: guardSchema,
    database: databaseSchema,
    lifecycle: lifecycleSchema,
    controllers: controllersSchema,
    witnesses: witnessesSchema,
    gates: gatesSchema,
    approval: z.enum(['none', 'after-canary']).prefault('none').meta({
      description:
        'Whether a person must approve before the wave after the canary. Left out with `approvedBy: second-person`: after-canary.',
    }),
    approvedBy: approvedBySchema,
    change: changeSchema,
    maintenance: maintenanceSchema,
    pacing: pacingSchema,
    freeze: z
      .array(
        z.strictObject({
          from: moment('start').meta({ description: 'First day or moment.' }),
          until: moment('end').meta({ description: 'Last day, or the moment it ends.' }),
          reason: someText().meta({ description: 'Why nothing may be changed.' }),
        }),
      )
      .prefault([])
      .meta({
        description: 'Times in which nothing new begins. What goes on goes on; a rollback always may.',
      }),
    confirm: z
      .enum(['yes-no', 'type-name'])
      .prefault('yes-no')
      .meta({ description: "How a change is confirmed: by a yes, or by typing the environment's name." }),
  })
  .meta({ description: 'One environment: a fleet with its packages, metrics and rules.' });

/** Checked and with every default, durations in ms; paths as written. */
export type EnvironmentWritten = z.output<typeof environmentSchema>;
export type HostWritten = z.output<typeof import('./fleet.ts').hostSchema>;
