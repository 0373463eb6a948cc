/** Keys about where hosts, packages and the record are, and how they are reached. */
import { z } from 'zod';
import { VM_STATUSES } from '../../domain/host.ts';
import { DATABASE_PATH, RESULTS_LOG_PATH } from '../../domain/policy.ts';
import {
  baseUrl,
  duration,
  expression,
  filePath,
  moment,
  secretEnv,
  secretFile,
  someText,
  template,
  word,
} from './parts.ts';

const texts = () => z.record(z.string(), z.string());

export const hostSchema = z.strictObject({
  id: word(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'digits in quotes, such as "4711"').meta({
    description:
      'Identity of the VM: the numeric instance id, in quotes. Names and addresses may be used again, an id never.',
  }),
  name: word(/^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/, 'a host name').meta({
    description: 'Name of the VM, as people and metrics call it.',
  }),
  address: word(/^[A-Za-z0-9:[]([A-Za-z0-9.:_%\]-]*)$/, 'an IP address', 'a DNS name').meta({
    description: 'What SSH connects to.',
  }),
  port: z
    .int()
    .min(1)
    .max(65_535)
    .optional()
    .meta({ description: "SSH port, where it is not the environment's." }),
  zone: word(/^[A-Za-z0-9][A-Za-z0-9_-]*$/, 'a zone, such as us-east1-b').meta({
    description: 'Zone; its region is the part before the last dash.',
  }),
  role: someText().meta({ description: 'What the host is for, such as web or gitaly.' }),
  machineType: someText().prefault('unknown').meta({ description: 'Machine type.' }),
  os: someText()
    .prefault('unknown')
    .meta({ description: 'Operating system family and version; `cos-*` and `windows-*` have no dpkg.' }),
  status: z
    .enum(VM_STATUSES)
    .prefault('RUNNING')
    .meta({ description: 'Life of the VM. Only RUNNING ones are changed.' }),
  labels: texts().prefault({}).meta({ description: 'Labels, as `labels.KEY` in expressions.' }),
  tags: z
    .array(z.string())
    .prefault([])
    .meta({ description: 'Network tags, as `"TAG" in tags` in expressions.' }),
  metadata: texts()
    .prefault({})
    .meta({ description: 'Metadata of the instance, as `metadata.KEY` in expressions.' }),
  spot: z
    .boolean()
    .prefault(false)
    .meta({ description: 'A spot VM: when it vanishes it is gone, not failed.' }),
});

export const hostListSchema = z
  .array(hostSchema)
  .min(1)
  .meta({ allowed: ['a list of hosts, at least one'] });

const credentials = z
  .strictObject({
    keyFile: filePath().optional().meta({ description: 'Key file of a service account.' }),
    impersonate: word(/^[^@\s]+@[^@\s]+$/, 'NAME@PROJECT.iam.gserviceaccount.com')
      .optional()
      .meta({ description: 'Service account to act as, by way of the credentials at hand.' }),
  })
  .prefault({})
  .meta({
    description: 'Credentials; by default the Application Default Credentials of whoever runs the program.',
  });

const PROJECT = /^[a-z][a-z0-9-]{4,28}[a-z0-9]$/;
const project = () => word(PROJECT, 'a project id, such as gitlab-production');
const ADDRESS_PLACES = ['internal', 'external', 'name', 'id', 'zone', 'project'];

const gceInventory = z.strictObject({
  kind: z.literal('gce').meta({ description: 'VMs of Google Compute Engine.' }),
  projects: z
    .array(project())
    .min(1)
    .meta({
      description: 'Projects whose VMs make the fleet.',
      allowed: ['a list of project ids, at least one'],
    }),
  zones: z
    .array(word(/^[a-z0-9-]+$/, 'a zone, such as us-east1-b'))
    .optional()
    .meta({ description: 'Only these zones; all of them when left out.' }),
  filter: someText()
    .optional()
    .meta({ description: "Filter that Compute Engine's list takes. It saves traffic; `targeting` decides." }),
  roleLabel: word(/^[a-z0-9_-]+$/, 'the key of a label')
    .prefault('type')
    .meta({ description: 'Label whose value is the role.' }),
  address: template(ADDRESS_PLACES).prefault('{internal}').meta({
    description:
      'What SSH connects to: `{internal}`, `{external}`, or a name such as `{name}.c.{project}.internal`.',
  }),
  hostKeys: z.enum(['guest-attributes', 'known-hosts']).prefault('guest-attributes').meta({
    description:
      'Where host keys are from: published by the VM itself (metadata enable-guest-attributes=TRUE), then known_hosts; or known_hosts alone.',
  }),
  instanceCheck: z.boolean().prefault(true).meta({
    description:
      'Every host compares its instance id with the one meant, so that a reused address is noticed. Only false where hosts cannot reach their metadata server.',
  }),
  credentials,
});

const staticInventory = z.strictObject({
  kind: z.literal('static').meta({ description: 'VMs that are listed by hand, here or in a file.' }),
  hosts: hostListSchema.optional().meta({ description: 'The VMs. Either this or `file`.' }),
  file: filePath().optional().meta({ description: 'YAML or JSON file that holds the list of VMs.' }),
});

const gcsPlace = {
  kind: z.literal('gcs').meta({ description: 'A bucket of Google Cloud Storage.' }),
  bucket: word(/^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/, 'the name of a bucket, without gs://').meta({
    description: 'Bucket, without `gs://`.',
  }),
  prefix: word(/^(?!.*\/\/)[^/\s](.*[^/\s])?$/, 'a folder, without a slash at either end or two in a row')
    .optional()
    .meta({ description: 'Folder in the bucket; a bucket may be shared.' }),
  project: project()
    .optional()
    .meta({ description: 'Project that pays for requests, where the bucket asks for one.' }),
  credentials,
};

const localPlace = (what: string) =>
  z.strictObject({
    kind: z.literal('local').meta({ description: 'A folder of this machine.' }),
    path: filePath().meta({ description: `Folder that holds ${what}.` }),
  });

export const inventorySchema = z
  .discriminatedUnion('kind', [staticInventory, gceInventory])
  .meta({ description: 'Which VMs there are.' });

export const artifactsSchema = z
  .discriminatedUnion('kind', [
    localPlace('the packages'),
    z.strictObject({
      ...gcsPlace,
      delivery: z.enum(['signed-url', 'service-account', 'sftp']).prefault('signed-url').meta({
        description:
          'How a host gets a package: by a URL of short life, as its own service account, or from here over SSH.',
      }),
      fetchFrom: baseUrl().optional().meta({
        description:
          "Base URL at which hosts reach the bucket, where that is not Google's own, such as a private endpoint.",
      }),
    }),
  ])
  .meta({ description: 'Where packages are staged. Immutable once published.' });

export const journalSchema = z
  .discriminatedUnion('kind', [localPlace('the journal'), z.strictObject(gcsPlace)])
  .meta({ description: 'Where the record of every change is kept. One place an environment.' });

const PROXY_PLACES = ['name', 'id', 'address', 'port', 'zone', 'project', 'user'];

export const sshSchema = z
  .strictObject({
    user: word(/^[A-Za-z_][A-Za-z0-9._@-]*$/, 'a user name')
      .optional()
      .meta({
        description: 'User to log in as; must be allowed `sudo -n`. Either this or `osLogin: true`.',
      }),
    osLogin: z.boolean().prefault(false).meta({
      description:
        "Log in as the OS Login user of the inventory's credentials; only with `inventory.kind: gce`.",
    }),
    port: z
      .int()
      .min(1)
      .max(65_535)
      .prefault(22)
      .meta({ description: "Port, where a host's own is not given." }),
    identityFiles: z.array(filePath()).prefault([]).meta({ description: 'Private keys.' }),
    passphraseEnv: secretEnv()
      .optional()
      .meta({ description: 'Environment variable with the passphrase of the keys.' }),
    passphraseFile: secretFile().optional().meta({ description: 'File with the passphrase of the keys.' }),
    agent: z.boolean().prefault(false).meta({ description: 'Use the agent that SSH_AUTH_SOCK names.' }),
    knownHosts: z
      .array(filePath())
      .min(1)
      .prefault(['~/.ssh/known_hosts'])
      .meta({
        description: 'Files of known host keys. Host keys are always checked.',
        allowed: ['a list of files, at least one'],
      }),
    jump: z
      .array(
        word(
          /^([^@\s:]+@)?([^@\s:[\]]+|\[[0-9A-Fa-f:]+\])(:\d{1,5})?$/,
          'user@bastion',
          'user@bastion:22',
          'bastion',
        ),
      )
      .prefault([])
      .meta({ description: 'Hosts to go through, in order.' }),
    proxyCommand: z.array(template(PROXY_PLACES)).prefault([]).meta({
      description:
        'Program to connect through, word by word and never through a shell, such as gcloud for IAP; one process for each connection, so mind `concurrency`. Not with `jump`.',
    }),
    connectTimeout: duration(1)
      .prefault('10s')
      .meta({ description: 'Longest wait for a connection and its handshake.' }),
    commandTimeout: duration(1)
      .prefault('10m')
      .meta({ description: 'Longest run of one program on a host.' }),
    idleTimeout: duration(1).prefault('2m').meta({ description: 'Longest silence of a program.' }),
    keepalive: duration(1)
      .prefault('5s')
      .meta({ description: 'Distance of keepalives; three that go unanswered end a connection.' }),
    concurrency: z
      .int()
      .min(1)
      .max(4096)
      .prefault(64)
      .meta({ description: 'Most connections at once.', unit: 'connections' }),
  })
  .meta({ description: 'How hosts are reached.' });

const HOST_PLACES = ['name', 'id', 'address', 'zone', 'role'];
const MATCHERS =
  /^\s*([A-Za-z_]\w*\s*(=|!=|=~|!~)\s*("([^"\\]|\\.)*"|'([^'\\]|\\.)*')\s*(,\s*(?=[A-Za-z_])|$))*$/;

/** What Mimir takes: https://grafana.com/docs/mimir/latest/configure/about-tenant-ids/ */
const TENANT = /^[A-Za-z0-9!._*'()|-]{1,150}$/;

export const prometheusSchema = z
  .strictObject({
    url: baseUrl().optional().meta({ description: 'Base URL, without `/api/v1`. Either this or `urlFile`.' }),
    urlFile: filePath()
      .optional()
      .meta({ description: 'File whose first line is the base URL; read when the environment is used.' }),
    hostLabel: word(/^[A-Za-z_]\w*$/, 'the name of a label, such as fqdn or instance')
      .prefault('fqdn')
      .meta({ description: 'Label of the series whose value names the host.' }),
    hostValue: template(HOST_PLACES)
      .prefault('{name}')
      .meta({ description: "That label's value for a host." }),
    matchers: word(MATCHERS, 'env="gprd"', 'env="gprd",tier="sv"')
      .prefault('')
      .meta({ description: 'Further matchers of every selector.', form: 'label matchers' }),
    delay: duration().prefault('30s').meta({
      description: 'How far behind now the newest sample that counts lies, so that scrapes have arrived.',
    }),
    timeout: duration(1).prefault('10s').meta({ description: 'Longest wait for an answer.' }),
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
    parameters: texts().prefault({}).meta({
      description:
        'Further parameters of every query. Of Thanos: `partial_response: "false"` makes an answer that lacks a store an error, `dedup: "true"` makes one series of replicas, `max_source_resolution: 0s` keeps to samples as they were scraped.',
    }),
    tenant: word(TENANT, 'a tenant id of at most 150 characters', 'several with `|` between them')
      .optional()
      .meta({
        description:
          'Of Mimir: whose series are asked, sent as the header X-Scope-OrgID. No secret: whoever may ask is said by the credentials.',
      }),
  })
  .meta({ description: 'Where the metrics are that gates are asked of.' });

export const agentSchema = z
  .strictObject({
    package: word(/^[a-z0-9][a-z0-9+.-]+$/, 'the name of a Debian package')
      .prefault('osquery')
      .meta({ description: 'Debian package of the agent.' }),
    service: word(/^[A-Za-z0-9][A-Za-z0-9:_.@-]*$/, 'the name of a systemd unit')
      .prefault('osqueryd')
      .meta({ description: 'systemd unit, without `.service`.' }),
    executable: word(/^\/[^\0]*[^/\0]$/, 'an absolute path')
      .prefault('/opt/osquery/bin/osqueryd')
      .meta({
        description: 'The daemon on the host; what runs is compared with it.',
        form: 'absolute path on the host',
      }),
    architectures: z
      .array(word(/^[a-z0-9][a-z0-9-]+$/, 'amd64', 'arm64'))
      .min(1)
      .prefault(['amd64'])
      .meta({
        description: 'Debian architectures that a release must be staged for.',
        allowed: ['a list of architectures, at least one'],
      }),
    process: someText()
      .prefault('osqueryd')
      .meta({ description: "The agent's process group in process-exporter's series." }),
    database: word(/^\/[^\0]*[^/\0]$/, 'an absolute path')
      .prefault(DATABASE_PATH)
      .meta({ description: 'Where it keeps its database.', form: 'absolute path on the host' }),
    resultsLog: word(/^\/[^\0]*[^/\0]$/, 'an absolute path')
      .prefault(RESULTS_LOG_PATH)
      .meta({
        description: 'A file that grows while it writes results.',
        form: 'absolute path on the host',
      }),
  })
  .prefault({})
  .meta({ description: 'The agent that is changed.' });

const reason = (what: string) =>
  someText().meta({
    description: `Why, for the auditor who asks later about ${what}.`,
    missing: `${what} needs a reason, for the auditor who asks later: this key is missing`,
  });

export const targetingSchema = z
  .strictObject({
    include: expression()
      .prefault('true')
      .meta({ description: 'Hosts that this does not match are not of this fleet.' }),
    exempt: z
      .array(
        z.strictObject({
          when: expression().meta({ description: 'Which hosts.' }),
          reason: reason('the exemption'),
          until: moment('end').meta({
            description: 'Last day of the exemption, or its end in time; then it lapses.',
            missing:
              'the exemption needs an end date, so that somebody looks at it again: this key is missing',
          }),
        }),
      )
      .prefault([])
      .meta({
        description:
          'Hosts that need not have the agent, beyond what is known by itself: nodes of GKE and Autopilot, Dataproc, Dataflow, connectors of Serverless VPC Access; and what cannot have it, Container-Optimized OS and Windows.',
      }),
    eligible: z
      .array(
        z.strictObject({
          when: expression().meta({ description: 'Which hosts.' }),
          reason: reason('the decision'),
        }),
      )
      .prefault([])
      .meta({ description: 'Hosts that must have the agent although they look like managed ones.' }),
  })
  .prefault({})
  .meta({ description: 'Which hosts must have the agent.' });
