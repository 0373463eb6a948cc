/**
 * The file `playbooks/NAME.yaml`: an action as data. A rollout's waves, soak and gates are defaults under an environment's own; a
 * lifecycle action's are its own, and the environment's where it says nothing.
 */
import { z } from 'zod';
import { LIFECYCLE_VERBS, type LifecycleVerb } from '../../domain/lifecycle.ts';
import { gatesSchema } from './gates.ts';
import { duration, someText } from './parts.ts';
import { soakSchema, wavesSchema } from './strategy.ts';
import { databaseSchema, guardSchema, revertTimerSchema } from './way-back.ts';

/** Actions of rollouts, each with one playbook that has its name. */
export const ACTIONS = ['upgrade', 'canary', 'rollback'] as const;
export type Action = (typeof ACTIONS)[number];

/** All that a playbook may be of. Of a lifecycle action there may be several, under names of one's own. */
export const PLAYBOOK_ACTIONS = [...ACTIONS, ...LIFECYCLE_VERBS] as const;
export type PlaybookAction = (typeof PLAYBOOK_ACTIONS)[number];

export const PROGRAMS = ['look', 'deliver', 'upgrade', 'revert', 'prove', ...LIFECYCLE_VERBS] as const;
export type Program = (typeof PROGRAMS)[number];

/** The order in which the engine works; a playbook sets times, it cannot leave out a safety. */
export const STEP_ORDER: Readonly<Record<PlaybookAction, readonly Program[]>> = {
  upgrade: ['look', 'deliver', 'upgrade', 'prove'],
  canary: ['look', 'deliver', 'upgrade', 'prove'],
  rollback: ['look', 'revert', 'prove'],
  stop: ['stop'],
  start: ['start'],
  restart: ['restart'],
  enable: ['enable'],
  disable: ['disable'],
  install: ['deliver', 'install'],
  remove: ['remove'],
  purge: ['purge'],
};

export const DEFAULT_TIMEOUTS: Readonly<Record<Program, string>> = {
  look: '60s',
  deliver: '5m',
  upgrade: '10m',
  revert: '10m',
  prove: '2m',
  stop: '2m',
  start: '2m',
  restart: '2m',
  enable: '2m',
  disable: '2m',
  install: '10m',
  remove: '5m',
  purge: '5m',
};

/** What takes a step back; the others are not taken back. */
export const UNDO: Readonly<Partial<Record<Program, Program>>> = {
  upgrade: 'revert',
  stop: 'start',
  start: 'stop',
  enable: 'disable',
  disable: 'enable',
  install: 'remove',
  remove: 'install',
};

export const CHECKS = ['prove', 'running', 'stopped', 'absent'] as const;

/** What every host is proven to be at the end, whatever a playbook says; null: enabling proves its own word alone. */
export const CHECK_OF: Readonly<Record<PlaybookAction, (typeof CHECKS)[number] | null>> = {
  upgrade: 'prove',
  canary: 'prove',
  rollback: 'prove',
  stop: 'stopped',
  start: 'running',
  restart: 'running',
  enable: null,
  disable: null,
  install: 'running',
  remove: 'absent',
  purge: 'absent',
};

/** After these the agent need not run, so that gates over it would judge nothing, or the wrong thing. */
export const NOT_MEANT_TO_RUN: readonly LifecycleVerb[] = ['stop', 'enable', 'disable', 'remove', 'purge'];

const stepSchema = z.strictObject({
  run: z.enum(PROGRAMS).meta({
    description:
      "What is done: look at the host, deliver the package, upgrade, revert, prove what runs, or a lifecycle action's own word.",
  }),
  timeout: duration(1)
    .optional()
    .meta({
      description: `Longest time for it on one host. By default ${PROGRAMS.map((program) => `${program} ${DEFAULT_TIMEOUTS[program]}`).join(', ')}.`,
    }),
  undo: z
    .enum([...new Set(Object.values(UNDO))])
    .optional()
    .meta({
      description:
        'What takes it back. `upgrade` must have it: a failed rollout runs it. Of a lifecycle action it says what a person would type.',
    }),
});

export const playbookSchema = z
  .strictObject({
    action: z.enum(PLAYBOOK_ACTIONS).meta({
      description:
        "The action. A rollout's is also the file's name; a lifecycle action may have further playbooks of other names.",
    }),
    description: someText().meta({ description: 'What it does, for people.' }),
    steps: z
      .array(stepSchema)
      .min(1)
      .meta({ description: 'What happens to a host, in order.', allowed: ['a list of steps, at least one'] }),
    check: z.enum(CHECKS).optional().meta({
      description:
        'What a host must be proven to be to count as done. Each action has its own: rollouts prove; start, restart and install running; stop stopped; remove and purge absent.',
    }),
    waves: wavesSchema.optional().meta({
      description:
        'Waves. Of a rollout where the environment says nothing; of a lifecycle action before what the environment says. A lifecycle action without waves, soak and gates goes to all hosts at once.',
    }),
    soak: soakSchema.optional().meta({ description: 'Soak, with the same precedence as `waves`.' }),
    gates: gatesSchema.optional().meta({
      description:
        "Gates, with the same precedence as `waves`. Of what leaves the agent stopped there are none but the playbook's own.",
    }),
    revertTimer: revertTimerSchema
      .optional()
      .meta({ description: 'Of upgrade and canary, where the environment says nothing.' }),
    guard: guardSchema
      .optional()
      .meta({ description: 'Of upgrade and canary, where the environment says nothing.' }),
    database: databaseSchema.optional().meta({
      description:
        "Of a rollout, where the environment says nothing; rollback's counts where upgrade and canary say nothing either.",
    }),
  })
  .meta({ description: 'One action on hosts: its steps, their times, and how it is watched.' });

export type PlaybookWritten = z.output<typeof playbookSchema>;
