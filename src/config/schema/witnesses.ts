/** Keys about other witnesses: who else is asked whether the agent is well. Each is optional, and asked by the gates that name it. */
import { z } from 'zod';
import { nearestWord } from '../../domain/nearest.ts';
import { FLEET_MATCHES, OSCTRL_MATCHES } from '../../domain/witness.ts';
import {
  baseUrl,
  duration,
  filePath,
  issue,
  secretEnv,
  secretFile,
  someText,
  template,
  word,
} from './parts.ts';

const HOST_PLACES = ['name', 'id', 'address', 'zone', 'role'];
const QUERY_PLACES = ['$hosts', '$label', '$window', '$environment'];

const timeout = (fallback: string, description: string) =>
  duration(1).prefault(fallback).meta({ description });

/** Of everything that is asked over HTTP. */
const overHttp = (waits: string, what: string) => ({
  caFile: filePath()
    .optional()
    .meta({ description: "PEM file of an authority to trust besides the system's." }),
  tokenEnv: secretEnv().optional().meta({ description: 'Environment variable with a bearer token.' }),
  tokenFile: secretFile().optional().meta({ description: 'File with a bearer token.' }),
  username: someText()
    .optional()
    .meta({ description: 'User for basic authentication; needs passwordEnv or passwordFile.' }),
  passwordEnv: secretEnv()
    .optional()
    .meta({ description: "Environment variable with that user's password." }),
  passwordFile: secretFile().optional().meta({ description: "File with that user's password." }),
  timeout: timeout(waits, what),
});

const hostValue = () =>
  template(HOST_PLACES)
    .prefault('{name}')
    .meta({ description: 'What the witness calls a host; compared literally.' });

const measure = () =>
  z.enum(['last-seen', 'version']).prefault('last-seen').meta({
    description:
      'Its number of a host: seconds since it was heard, counted from its change on; or 1 where it reports the version that it should, else 0.',
  });

const logQl = () =>
  someText()
    .meta({ form: 'LogQL', allowed: QUERY_PLACES })
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

const loki = z.strictObject({
  kind: z
    .literal('loki')
    .meta({ description: "Lines of a log a host: do the agent's results still arrive." }),
  url: baseUrl().meta({ description: 'Base URL, without `/loki/api/v1`.' }),
  tenant: word(/^[\x21-\x7e]{1,150}$/, 'the name of a tenant')
    .optional()
    .meta({ description: 'The X-Scope-OrgID header, where Loki has tenants.' }),
  query: logQl().meta({
    description:
      'A metric query that gives one series a host. `$hosts`, `$label`, `$window` and `$environment` are filled in.',
  }),
  alive: logQl().optional().meta({
    description:
      'A query that is above 0 while logs arrive from anywhere. Without it a wave that is silent as a whole is no data.',
  }),
  hostLabel: word(/^[A-Za-z_]\w*$/, 'the name of a label, such as host')
    .prefault('host')
    .meta({ description: 'Label of the series whose value names the host.' }),
  hostValue: hostValue(),
  window: duration(1)
    .prefault('5m')
    .meta({ description: '`$window` of the query; that long after a change it says nothing.' }),
  ...overHttp('10s', 'Longest wait for one query.'),
});

const osctrl = z.strictObject({
  kind: z
    .literal('osctrl')
    .meta({ description: 'osctrl: when was the agent last heard, and which version is it.' }),
  url: baseUrl().meta({ description: 'Base URL of osctrl-api, without `/api/v1`.' }),
  environment: someText().meta({ description: "osctrl's own environment, by name or UUID." }),
  match: z
    .enum(OSCTRL_MATCHES)
    .prefault('hostname')
    .meta({ description: 'Field of a node that is compared with hostValue.' }),
  hostValue: hostValue(),
  measure: measure(),
  ...overHttp('60s', 'Longest wait for the whole list of nodes.'),
});

const fleet = z.strictObject({
  kind: z
    .literal('fleet')
    .meta({ description: 'Fleet: when was the agent last heard, and which version is it.' }),
  url: baseUrl().meta({ description: 'Base URL, without `/api/v1`.' }),
  team: z
    .int()
    .min(0)
    .optional()
    .meta({ description: 'Only the hosts of this team, by its id.', unit: 'id' }),
  match: z
    .enum(FLEET_MATCHES)
    .prefault('hostname')
    .meta({ description: 'Field of a host that is compared with hostValue.' }),
  hostValue: hostValue(),
  measure: measure(),
  ...overHttp('60s', 'Longest wait for the whole list of hosts.'),
});

const command = z.strictObject({
  kind: z
    .literal('command')
    .meta({ description: 'A program of your own: exit status 0 pass, 1 fail, 2 inconclusive.' }),
  run: z
    .array(template(['environment', 'version']))
    .min(1)
    .meta({
      description:
        'The program and its words; there is no shell. The question comes as JSON on its stdin, the last line of its output is the reason.',
      allowed: ['a list of words, at least one, such as [./smoke-test, "{environment}"]'],
    }),
  env: z
    .array(word(/^[A-Za-z_]\w*$/, 'the name of an environment variable'))
    .prefault([])
    .meta({ description: 'Variables that it is given besides PATH, HOME and LANG.' }),
  timeout: timeout('60s', 'Then it is killed, with all that it started.'),
});

const webhook = z.strictObject({
  kind: z
    .literal('webhook')
    .meta({ description: 'A service of your own, which answers with a verdict and why.' }),
  url: baseUrl().meta({ description: 'Where the question is posted to.' }),
  ...overHttp('10s', 'Longest wait for the verdict.'),
});

export const witnessesSchema = z
  .record(z.string(), z.discriminatedUnion('kind', [loki, osctrl, fleet, command, webhook]))
  .prefault({})
  .meta({
    description: 'Who else notices an agent that is silent or wrong, by a name of your own; gates ask them.',
  });

export type WitnessWritten = z.output<typeof witnessesSchema>[string];
