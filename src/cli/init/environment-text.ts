/** An environment's file as a person would have written it: the keys that matter, with why. Pure. */
import { BUILTIN_READINGS, DEFAULT_GATES } from '../../domain/builtin-gates.ts';
import { DEFAULT_PROBE } from '../../domain/probe-settings.ts';
import { DEFAULT_STRATA, type EnvironmentAnswers } from './answers.ts';
import type { Proposals } from './proposals.ts';

export interface TextOptions {
  /** What was seen of its VMs, if anybody looked. */
  readonly seen?: Proposals;
}

/** Undecided VMs that are named in the file. */
const NAMED = 5;

export function environmentText(answers: EnvironmentAnswers, { seen }: TextOptions = {}): string {
  const production = isProduction(answers);
  const from = answers.promotesFrom;
  const lines = [
    from === null
      ? '# Takes a version first, and proves it for whichever environment promotes from it.'
      : `# Takes only what ${from} has proven.`,
    `# Every key, its default and its meaning: rollout config reference. Is all of it there: rollout doctor ${answers.name}`,
    `environment: ${word(answers.name)}`,
    ...(answers.description === '' ? [] : [`description: ${word(answers.description)}`]),
    ...(from === null ? [] : [`promotesFrom: ${word(from)}`]),
    ...inventoryLines(answers),
    '',
    ...placeLines(answers),
    '',
    ...sshLines(answers),
    '',
    ...prometheusLines(answers),
    '',
    'agent:',
    '  package: osquery',
    '  service: osqueryd',
    '  executable: /opt/osquery/bin/osqueryd',
    '  architectures: [amd64]',
    '',
    ...targetingLines(answers, seen),
    '',
    'waves:',
    '  # The canary wave has one host of every combination of these.',
    `  strata: [${(answers.strata ?? DEFAULT_STRATA).join(', ')}]`,
    `  then: [${(production ? ['5%', '20%', '50%', '100%'] : ['30%', '100%']).map((share) => `"${share}"`).join(', ')}]`,
    production
      ? '  maxUnavailable: { environment: "5%", zone: "10%", role: "10%" }'
      : '  maxUnavailable: { environment: "20%", zone: "50%", role: "34%" }',
    '# Observed healthy time after each wave, and after the last one.',
    `soak: ${production ? '30m' : '15m'}`,
    'bake: 24h',
    ...gateLines(answers),
    ...(production
      ? [
          '# A person looks before the wave after the canary, and types the name before a change.',
          'approval: after-canary',
          'confirm: type-name',
        ]
      : []),
    '# Times in which nothing new begins:',
    '# freeze:',
    '#   - { from: 2026-12-21, until: 2027-01-03, reason: why }',
  ];
  return `${lines.join('\n')}\n`;
}

/** Said, or else whoever takes what another one has proven. */
export function isProduction({ production, promotesFrom }: EnvironmentAnswers): boolean {
  return production ?? promotesFrom !== null;
}

function inventoryLines(answers: EnvironmentAnswers): string[] {
  const { projects, zones, filter, hostsFile } = answers;
  if (projects === undefined)
    return [
      'inventory:',
      '  kind: static',
      '  # A YAML or JSON list of id, name, address, zone, role and so on.',
      `  file: ${word(hostsFile ?? '')}`,
    ];
  return [
    'inventory:',
    '  kind: gce',
    `  projects: ${list(projects)}`,
    ...(zones === undefined ? [] : [`  zones: ${list(zones)}`]),
    ...(filter === undefined ? [] : [`  filter: ${word(filter)}`]),
    '  # The label whose value is what a VM is for.',
    `  roleLabel: ${word(answers.roleLabel)}`,
    `  address: ${quoted(answers.address)}`,
    ...credentialLines(answers),
  ];
}

function credentialLines({ keyFile, impersonate }: EnvironmentAnswers): string[] {
  const parts = [
    ...(keyFile === undefined ? [] : [`keyFile: ${quoted(keyFile)}`]),
    ...(impersonate === undefined ? [] : [`impersonate: ${quoted(impersonate)}`]),
  ];
  return parts.length === 0 ? [] : [`  credentials: { ${parts.join(', ')} }`];
}

function placeLines(answers: EnvironmentAnswers): string[] {
  const { bucket, folder, prefix, delivery, name } = answers;
  if (bucket === undefined) {
    const base = (folder ?? '').replace(/\/+$/, '');
    return [
      '# On this machine: nobody else can work on this environment.',
      'artifacts:',
      '  kind: local',
      `  path: ${quoted(`${base}/${name}/packages`)}`,
      'journal:',
      '  kind: local',
      `  path: ${quoted(`${base}/${name}/journal`)}`,
    ];
  }
  return [
    'artifacts:',
    '  kind: gcs',
    `  bucket: ${word(bucket)}`,
    `  prefix: ${word(`${prefix}/${name}/packages`)}`,
    '  # How a host gets a package: a URL of short life, its own service account, or SFTP from here.',
    `  delivery: ${delivery}`,
    ...credentialLines(answers),
    'journal:',
    '  kind: gcs',
    `  bucket: ${word(bucket)}`,
    '  # Beside the packages, not among them. No retention period on this bucket: the lease is overwritten.',
    `  prefix: ${word(`${prefix}/${name}/journal`)}`,
    ...credentialLines(answers),
  ];
}

function sshLines({ sshUser, osLogin, identityFile, iap, projects }: EnvironmentAnswers): string[] {
  return [
    'ssh:',
    osLogin ? '  osLogin: true' : `  user: ${word(sshUser ?? '')}`,
    identityFile === undefined ? '  agent: true' : `  identityFiles: [${quoted(identityFile)}]`,
    ...(projects === undefined
      ? []
      : [
          '  # Asked where a VM publishes no host keys (metadata enable-guest-attributes=TRUE).',
          '  knownHosts: [~/.ssh/google_compute_known_hosts]',
        ]),
    ...(iap
      ? [
          '  proxyCommand:',
          ...[
            'gcloud',
            'compute',
            'start-iap-tunnel',
            '{name}',
            '{port}',
            '--listen-on-stdin',
            '--zone={zone}',
            '--project={project}',
            '--verbosity=error',
          ].map((part) => `    - ${quoted(part)}`),
        ]
      : []),
  ];
}

/** Where there is none, all of it as a comment: an answer to fill in. */
function prometheusLines(answers: EnvironmentAnswers): string[] {
  const { prometheus, tokenEnv, hostLabel, matchers } = answers;
  const lines = [
    'prometheus:',
    `  url: ${quoted(prometheus ?? 'https://prometheus.example.com')}`,
    ...(tokenEnv === undefined ? [] : [`  tokenEnv: ${word(tokenEnv)}`]),
    "  # The label of process-exporter's series that names the host, and its value for a host.",
    `  hostLabel: ${word(hostLabel)}`,
    `  hostValue: ${quoted(hostValueOf(answers))}`,
    ...(matchers === '' ? [] : [`  matchers: ${quoted(matchers)}`]),
    '  delay: 60s',
  ];
  if (prometheus !== undefined) return lines;
  return [
    `# Without Prometheus the gates ask the hosts themselves over SSH, at most ${DEFAULT_PROBE.hosts} in one look (probe.hosts). With it they see all of them:`,
    ...commented(lines),
  ];
}

/** None are written: what ships is looked after by the program, and a list takes the place of all of it. */
function gateLines({ name, prometheus }: EnvironmentAnswers): string[] {
  const gates = DEFAULT_GATES.filter((gate) => prometheus !== undefined || BUILTIN_READINGS[gate] !== null);
  return [
    `# The gates are those that ship with rollout. With their limits and with numbers of now: rollout gates check ${name}`,
    '# A list takes the place of all of them, so it names each one that is to stay. Such as with another limit for one:',
    ...commented([
      'gates:',
      ...gates.map((gate) =>
        gate === 'agent-memory'
          ? '  - { use: agent-memory, limit: 400e6 } # bytes, where watchdog_memory_limit is 350'
          : `  - { use: ${gate} }`,
      ),
    ]),
  ];
}

function commented(lines: readonly string[]): string[] {
  return lines.map((line) => `# ${line}`);
}

/** A DNS name in SSH's address is most often the one in metrics too. */
function hostValueOf({ hostValue, address, projects }: EnvironmentAnswers): string {
  if (hostValue !== undefined) return hostValue;
  const [project, another] = projects ?? [];
  const template =
    project !== undefined && another === undefined ? address.replaceAll('{project}', project) : address;
  return template.includes('{name}') && !/\{(internal|external|project)\}/.test(template)
    ? template
    : '{name}';
}

function targetingLines({ projects }: EnvironmentAnswers, seen: Proposals | undefined): string[] {
  const open = seen?.undecided ?? [];
  return [
    ...(projects === undefined
      ? ['# Every VM must have the agent. Any exemption is written here, for the auditor, with its end.']
      : [
          '# Every VM must have the agent. GKE nodes, Dataproc, Dataflow and serverless connectors are exempt by what Google marks them',
          '# with; Windows and Container-Optimized OS cannot take it. Any other exemption is written here, for the auditor, with its end:',
          '#   exempt:',
          '#     - { when: \'role == "x" and name =~ "x-canary-*"\', reason: why, until: 2027-06-30 }',
        ]),
    ...(open.length === 0
      ? []
      : [
          `# ${open.length} VMs need a rule here, under exempt or eligible, before a promotion:`,
          ...open.slice(0, NAMED).map(({ name, evidence }) => `#   ${oneLine(name)}: ${oneLine(evidence)}`),
        ]),
    'targeting:',
    '  include: "true"',
  ];
}

/** Plain where YAML reads it as the same text. */
function word(text: string): string {
  return /^[A-Za-z][A-Za-z0-9_./-]*$/.test(text) && !/^(true|false|null|yes|no|on|off)$/i.test(text)
    ? text
    : quoted(text);
}

function quoted(text: string): string {
  return JSON.stringify(text);
}

function list(words: readonly string[]): string {
  return `[${words.map(word).join(', ')}]`;
}

function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\s]+/gu, ' ');
}
