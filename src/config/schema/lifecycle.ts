/** Keys about starting and stopping the agent: how a stop is made to stick, and who else is told. Rules between them are lifecycle-rules.ts. */
import { z } from 'zod';
import { BRAKES, STARTERS } from '../../domain/lifecycle.ts';
import { nearestWord } from '../../domain/nearest.ts';
import { duration, filePath, issue, someText, word } from './parts.ts';

/** What is removed by a purge where nothing else is written, for osquery's own package (FACTS, "osquery"). */
export const OSQUERY_PATHS = ['/etc/osquery', '/var/osquery', '/var/log/osquery'];

export const lifecycleSchema = z
  .strictObject({
    holdFor: duration(60_000).prefault('72h').meta({
      description:
        'How long a hold lasts that names no end. Nothing lifts it by itself: from then on it is shown as due.',
    }),
    brake: z.enum(BRAKES).prefault('mask').meta({
      description:
        'What keeps the service down on the host itself. mask: a start fails. condition: a start does nothing and is no error, for as long as the hold is there. none: only the controllers are told.',
    }),
    settle: duration().prefault('30s').meta({
      description:
        'After a stop, how long until the second look at who has been started again; 0s: there is none.',
    }),
    deadline: duration(1).prefault('5m').meta({
      description: 'How long an emergency goes on trying hosts that did not answer.',
    }),
    concurrency: z
      .int()
      .min(1)
      .max(4096)
      .prefault(256)
      .meta({ description: 'Most connections at once in an emergency.', unit: 'connections' }),
    prove: duration().optional().meta({
      description:
        "How long a started agent must stay up to count as proven. By default the environment's `prove`.",
    }),
    purgePaths: z
      .array(z.string().meta({ form: 'absolute path on the host', allowed: ['/etc/osquery'] }))
      .optional()
      .meta({
        description: `Folders that a purge removes besides the package's own files. By default, of the package osquery, ${OSQUERY_PATHS.join(', ')}; of another none.`,
      }),
  })
  .prefault({})
  .meta({ description: 'How the agent is stopped and started by `osqueryd VERB`.' });

const UNIT = /^unit:[A-Za-z0-9_][A-Za-z0-9:_.@-]*$/;
const WHENS = ['always', ...STARTERS, 'unit:NAME'];

/** `always`, a starter that is known by name, or any systemd unit. */
function starter() {
  return z
    .string()
    .meta({ form: 'text', allowed: WHENS })
    .check((ctx) => {
      const text = ctx.value;
      if (text === 'always' || (STARTERS as readonly string[]).includes(text) || UNIT.test(text)) return;
      const meant = /\.(service|timer|socket|path)$/.test(text) ? `unit:${text}` : nearestWord(text, WHENS);
      ctx.issues.push(
        issue(text, 'nothing that is looked for on a host', {
          found: text,
          allowed: WHENS,
          ...(meant === null ? {} : { suggestion: meant }),
        }),
      );
    });
}

const controllerSchema = z.strictObject({
  name: word(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'letters, digits, dots, dashes').meta({
    description: 'Name in what is shown and recorded.',
  }),
  when: starter().optional().meta({
    description:
      'Of a command: run only on hosts that have this; `unit:NAME` is any systemd unit. By default always.',
  }),
  roleFile: filePath().optional().meta({
    description:
      'JSON file of a checkout to change instead of running a command, such as a Chef role. It is about all hosts: only a stop of the whole fleet changes it.',
  }),
  set: z
    .union([z.string(), z.array(z.string())])
    .meta({ form: 'keys', allowed: ['default_attributes.uptycs.enable', '[override_attributes, "a.b"]'] })
    .optional()
    .meta({
      description: 'Of a role file: the keys from its top down to the value, with dots or as a list.',
    }),
  onStop: z
    .union([z.array(z.string()), z.string(), z.number(), z.boolean()])
    .meta({ form: 'list of words | value', allowed: ['[chef-client-disable, "{reason}"]', 'false'] })
    .meta({
      description:
        'What a stop does. Of a command its words, run as root and never through a shell, and seen by who lists processes there: no secret; `{reason}`, `{by}`, `{until}` and `{environment}` are filled in. Of a role file the value.',
    }),
  onStart: z
    .array(someText().meta({ form: 'word' }))
    .optional()
    .meta({
      description:
        'Of a command: the words that take it back at a start. A role file gets back the value it had.',
    }),
  timeout: duration(1_000).optional().meta({
    description: 'Of a command: longest run on a host. By default 30s.',
  }),
  branch: someText().optional().meta({
    description:
      'Of a role file: the branch to commit to, made from HEAD where it is not there or merged already; `{environment}`, `{verb}`, `{by}` and `{actionId}` are filled in. It is not pushed. By default the file is changed and not committed.',
  }),
});

export const controllersSchema = z.array(controllerSchema).prefault([]).meta({
  description:
    'Who else starts the agent, and how each is told that it is to stay stopped: by a command on the host, or by a value in a role file.',
});
