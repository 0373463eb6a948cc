/**
 * Keys of gates: what is asked, of whom, what is bad, how long and by how many, and what it is compared with. Every key may be left out
 * where a built-in gate has it; rules between the keys are in gate-rules.ts.
 */
import { z } from 'zod';
import { BUILTIN_GATES, DEFAULT_GATES } from '../../domain/builtin-gates.ts';
import { nearestWord } from '../../domain/nearest.ts';
import { PROBE_READINGS } from '../../domain/probe.ts';
import { duration, issue, someText, word } from './parts.ts';

const QUERY_PLACES = ['$hosts', '$label', '$window', '$process', '$environment', '$matchers'];

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

const SHARE_EXAMPLES = ['"5%"', '"80%"', '"100%"'];

/** A percentage in quotes, as a share from 0 to 1. */
const share = () =>
  z
    .string()
    .meta({ form: 'percentage', allowed: SHARE_EXAMPLES, pattern: '^\\d{1,3}(\\.\\d{1,3})?%$' })
    .transform((text, ctx) => {
      const percent = Number(/^(\d{1,3}(?:\.\d{1,3})?)%$/.exec(text)?.[1] ?? Number.NaN);
      if (percent >= 0 && percent <= 100) return percent / 100;
      const meant = /^\d{1,3}(\.\d{1,3})?$/.test(text) ? { suggestion: `"${text}%"` } : {};
      const detail = { found: text, allowed: SHARE_EXAMPLES, ...meant };
      ctx.issues.push(issue(text, 'not a percentage from 0% to 100%', detail));
      return z.NEVER;
    });

export const BUILTIN_GATE_NAMES = Object.keys(BUILTIN_GATES);

const sourceSchema = z.strictObject({
  probe: z
    .enum(PROBE_READINGS)
    .optional()
    .meta({ description: 'A reading of the probe, which asks the host itself over SSH.' }),
  witness: someText().optional().meta({
    description: 'A witness of this environment, by its name.',
  }),
});

const compareSchema = z.strictObject({
  with: z.enum(['control', 'before']).optional().meta({
    description:
      'control: hosts of the same stratum that are not changed yet, at the same time. before: the same hosts before the first change. Default: control.',
  }),
  effect: z.number().min(0).optional().meta({
    description:
      'Smallest difference that matters; less never fails, however sure it is. Default: 0, and then relativeEffect must be given.',
    unit: "the gate's own",
  }),
  relativeEffect: z.number().min(0).optional().meta({
    description:
      "The same as a part of the control's median, such as 0.25: a quarter more. The larger of the two counts. Default: 0.",
    unit: "parts of the control's median",
  }),
  alpha: z.number().min(0.00001).max(0.2).optional().meta({
    description:
      'How often one evaluation may find a difference where there is none: level of significance over all strata together. Default: 0.005.',
    unit: 'probability',
  }),
  over: duration(1).optional().meta({
    description:
      'Over how long the numbers of a host are summed up to one, their median. Never reaches before the change. Default: 20m.',
  }),
  before: duration(1).optional().meta({
    description: 'How long before the first change a host is looked at for what is usual there. Default: 1h.',
  }),
  settle: duration().optional().meta({
    description:
      "How long a host's numbers behind its change are the start's own work and are not compared. Default: half of over, where that is given; else 10m.",
  }),
  tooFew: z.enum(['hold', 'abstain']).optional().meta({
    description:
      'Too few hosts to tell: hold is inconclusive; abstain leaves it to the limit, and says so. Default: abstain.',
  }),
});

export const COMPARE_KEYS: readonly string[] = Object.keys(compareSchema.shape);

const weightSchema = z.strictObject({
  share: share().optional().meta({
    description:
      'More than this share of the hosts, or two hosts and more than this share of any one stratum, must be beyond it.',
  }),
  quantile: z.number().min(0.01).max(1).optional().meta({
    description:
      'The host at this quantile must be beyond it; 0.5 is the median host, 0.9 spares the worst tenth.',
    unit: 'part of the hosts',
  }),
});

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
      'Gives one series a host. `$hosts`, `$label`, `$window`, `$process`, `$environment` and `$matchers` are filled in.',
  }),
  source: z
    .union([z.literal('prometheus'), sourceSchema])
    .optional()
    .meta({
      form: 'source',
      description: 'Where the numbers come from instead of the query. prometheus: from the query after all.',
      allowed: ['prometheus', '{ probe: READING }', '{ witness: NAME }'],
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
    description:
      "Look-back of the query's rate; that long after a change samples do not count yet. Of a command or a webhook: 0s.",
  }),
  for: duration().optional().meta({
    description:
      'How long the limit must be exceeded without a break. A gate of your own: 0s, one sample is enough.',
  }),
  minSamples: z.int().min(1).optional().meta({
    description:
      'Fewest numbers that a host must have given in the time that is judged; with fewer it counts as silent. Default: 1.',
    unit: 'samples',
  }),
  minCoverage: share().optional().meta({
    description:
      'Share of the steps of the time that is judged at which a host must have given a number. Default: "0%".',
  }),
  compare: z
    .union([z.literal('none'), compareSchema])
    .optional()
    .meta({
      form: 'comparison',
      description:
        "What hosts are compared with besides the limit; a difference fails where it is both sure and large enough, and a rise that control shows too is not blamed on the version. none: takes a built-in gate's comparison away.",
      allowed: ['none', '{ with: control, effect: 0.02 }'],
    }),
  weight: z
    .union([z.literal('any'), weightSchema])
    .optional()
    .meta({
      form: 'weight',
      description: 'How many hosts beyond the limit make it fail. Default: any, one host is enough.',
      allowed: ['any', '{ share: "5%" }', '{ quantile: 0.9 }'],
    }),
  failures: z.int().min(1).optional().meta({
    description:
      'Evaluations in a row that must come out as failing; until then the verdict is inconclusive. Default: 1.',
    unit: 'evaluations',
  }),
  noData: z.enum(['hold', 'fail', 'abstain']).optional().meta({
    description:
      'Hosts without a number: hold is inconclusive, fail counts them as beyond the limit, abstain leaves the verdict to the other gates. Never a pass. Default: hold.',
  }),
  backendErrors: z.enum(['hold', 'abstain']).optional().meta({
    description:
      'The source of the numbers fails: hold is an error, which waits; abstain leaves the verdict to the other gates. Never a fail. Default: hold.',
  }),
});

export const gatesSchema = z
  .array(gateSchema)
  .min(1)
  .prefault(DEFAULT_GATES.map((name) => ({ use: name })))
  .meta({
    description: 'What must stay healthy while waves soak and the environment bakes.',
    allowed: ['a list of gates, at least one: a rollout without any would watch nothing'],
  });

export type GateWritten = z.output<typeof gateSchema>;
