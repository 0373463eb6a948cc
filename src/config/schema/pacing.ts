/** Keys about what a change does to others and who has a say: pace, windows, change reference, a second person. */
import { z } from 'zod';
import { isTimeZone, minuteOf, WEEKDAYS } from '../../domain/maintenance.ts';
import { nearestWord } from '../../domain/nearest.ts';
import { duration, issue, someText } from './parts.ts';

const ZONE_EXAMPLES = ['UTC', 'Europe/Berlin', 'America/New_York'];
const TIME_EXAMPLES = ['09:00', '16:30', '24:00'];

const timeZone = () =>
  z
    .string()
    .meta({ form: 'time zone', allowed: ZONE_EXAMPLES })
    .check((ctx) => {
      if (isTimeZone(ctx.value)) return;
      const meant = nearestWord(ctx.value, Intl.supportedValuesOf('timeZone'));
      const detail = {
        found: ctx.value,
        allowed: ZONE_EXAMPLES,
        ...(meant === null ? {} : { suggestion: meant }),
      };
      ctx.issues.push(issue(ctx.value, 'no time zone is called so', detail));
    });

/** Minutes since midnight. */
const timeOfDay = (last: number) =>
  z
    .string()
    .meta({ form: 'time of day', allowed: TIME_EXAMPLES, pattern: '^\\d{2}:\\d{2}$' })
    .transform((text, ctx) => {
      const minute = minuteOf(text);
      if (minute !== null && minute <= last) return minute;
      ctx.issues.push(issue(text, 'not a time of day', { found: text, allowed: TIME_EXAMPLES }));
      return z.NEVER;
    });

export const maintenanceSchema = z
  .array(
    z.strictObject({
      days: z
        .array(z.enum(WEEKDAYS))
        .min(1)
        .prefault([...WEEKDAYS])
        .meta({ description: 'Days on which it begins.', allowed: ['a list of days, such as [mon, tue]'] }),
      from: timeOfDay(1439).meta({ description: 'When it begins.' }),
      until: timeOfDay(1440).meta({
        description: 'When it ends; at or before `from`: on the next day.',
      }),
      timeZone: timeZone().meta({ description: 'By whose clock, summer time included.' }),
    }),
  )
  .prefault([])
  .meta({
    description:
      'Times in which waves may begin; none given: always. What has begun goes on outside of them, and a rollback always may.',
  });

export const pacingSchema = z
  .strictObject({
    config: duration(1000).optional().meta({ description: "The agents' `config_refresh`." }),
    logger: duration(1000).optional().meta({ description: "The agents' `logger_tls_period`." }),
    distributed: duration(1000).optional().meta({ description: "The agents' `distributed_interval`." }),
    enrolsAtStart: z.boolean().prefault(false).meta({
      description: 'Whether an agent that starts enrols anew.',
    }),
    budget: z.number().positive().meta({
      description: "What the agents' server may get.",
      unit: 'requests a second',
    }),
    agents: z.int().min(1).optional().meta({
      description: 'Agents that it serves in all. Default: the environment’s eligible hosts.',
      unit: 'agents',
    }),
    waveWithin: duration(1000).prefault('10m').meta({
      description: 'How long the starts of one wave may take; a larger wave is cut.',
    }),
  })
  .optional()
  .meta({
    description:
      'What starts cost the server that the agents enrol with: from their intervals and its budget follows how far apart they begin and how large a wave may be. Left out: no bound but `waves`. A way back is not paced.',
  });

export const changeSchema = z
  .strictObject({
    required: z.boolean().prefault(false).meta({
      description: 'Whether what changes this environment needs `--change REFERENCE`.',
    }),
    pattern: someText()
      .optional()
      .check((ctx) => {
        try {
          if (ctx.value !== undefined) void new RegExp(ctx.value, 'u');
        } catch (error) {
          const detail = { found: ctx.value ?? '', allowed: ["'^C[0-9]+$'"] };
          ctx.issues.push(issue(ctx.value, `not a regular expression: ${(error as Error).message}`, detail));
        }
      })
      .meta({ description: 'What a reference looks like, as a regular expression.' }),
  })
  .prefault({})
  .meta({ description: 'The change request that a rollout belongs to; it stands in the journal.' });

export const approvedBySchema = z.enum(['anybody', 'second-person']).prefault('anybody').meta({
  description:
    'Who may approve. second-person: not whoever began the rollout, by the user’s name; in a CI job by the name of the person who started it. It asks for an approval after the canary unless `approval: none` says otherwise.',
});
