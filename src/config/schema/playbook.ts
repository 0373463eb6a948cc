/** The file `playbooks/ACTION.yaml`: an action as data. Its waves, soak and gates are defaults under an environment's own. */
import { z } from 'zod';
import { duration, someText } from './parts.ts';
import { gatesSchema, soakSchema, wavesSchema } from './strategy.ts';

export const ACTIONS = ['upgrade', 'canary', 'rollback'] as const;
export type Action = (typeof ACTIONS)[number];

export const PROGRAMS = ['look', 'deliver', 'upgrade', 'revert', 'prove'] as const;
export type Program = (typeof PROGRAMS)[number];

/** The order in which the engine works; a playbook sets times, it cannot leave out a safety. */
export const STEP_ORDER: Readonly<Record<Action, readonly Program[]>> = {
  upgrade: ['look', 'deliver', 'upgrade', 'prove'],
  canary: ['look', 'deliver', 'upgrade', 'prove'],
  rollback: ['look', 'revert', 'prove'],
};

export const DEFAULT_TIMEOUTS: Readonly<Record<Program, string>> = {
  look: '60s',
  deliver: '5m',
  upgrade: '10m',
  revert: '10m',
  prove: '2m',
};

const stepSchema = z.strictObject({
  run: z.enum(PROGRAMS).meta({
    description: 'What is done: look at the host, deliver the package, upgrade, revert, or prove what runs.',
  }),
  timeout: duration(1)
    .optional()
    .meta({
      description: `Longest time for it on one host. By default ${PROGRAMS.map((program) => `${program} ${DEFAULT_TIMEOUTS[program]}`).join(', ')}.`,
    }),
  undo: z
    .enum(['revert'])
    .optional()
    .meta({ description: 'What takes it back when the rollout fails. `upgrade` must have it.' }),
});

export const playbookSchema = z
  .strictObject({
    action: z.enum(ACTIONS).meta({ description: "The action; also the file's name." }),
    description: someText().meta({ description: 'What it does, for people.' }),
    steps: z
      .array(stepSchema)
      .min(1)
      .meta({ description: 'What happens to a host, in order.', allowed: ['a list of steps, at least one'] }),
    check: z
      .enum(['prove'])
      .prefault('prove')
      .meta({ description: 'The step that a host must pass to count as done.' }),
    waves: wavesSchema.optional().meta({ description: 'Waves, where the environment says nothing.' }),
    soak: soakSchema.optional().meta({ description: 'Soak, where the environment says nothing.' }),
    gates: gatesSchema.optional().meta({ description: 'Gates, where the environment says nothing.' }),
  })
  .meta({ description: 'One action on hosts: its steps, their times, and how it is watched.' });

export type PlaybookWritten = z.output<typeof playbookSchema>;
