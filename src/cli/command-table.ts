/** The command table: names, arguments, options, examples and what to load. Nothing here loads more than commander. */
import { InvalidArgumentError, Option } from 'commander';
import type { CommandSpec } from './command-spec.ts';
import { FLEET_COMMANDS } from './fleet-commands.ts';
import { INIT_HELP } from './init/help-text.ts';
import { HOLDS_COMMAND, LIFECYCLE_COMMANDS } from './lifecycle-table.ts';

const MAX_HOLD = new Option(
  '--give-up-after <duration>',
  'end with exit 4 when held for so long without a break',
).default('30m');
const DETACH = new Option(
  '--detach',
  'end (exit 4) as soon as there is nothing to do now; carry on with `rollout advance`',
);

const CHANGE = new Option(
  '--change <reference>',
  'the change request that this belongs to; goes into the journal (an environment may require it)',
);

export const COMMANDS: readonly CommandSpec[] = [
  {
    name: 'stage',
    args: '<version>',
    summary: 'check packages and put them into the artifact stores',
    options: [
      new Option(
        '--package <env=file...>',
        'an environment and its .deb; repeat for every environment and architecture',
      ),
      new Option('--sha256 <env=hex...>', "what the file's sha256 must be"),
    ],
    help: 'Asks nothing: it touches no host, and never changes what is there. Reads each .deb itself: package name, version, architecture, sha256. Every package is checked before any is stored; the same file again changes nothing, another file under the same version is refused. Stage what runs now as well: without it there is no way back, and nothing starts.',
    examples: [
      'stage 5.10.2 --package gstg=a.deb --package gprd=b.deb',
      'stage 5.10.2 --package gstg=a.deb --sha256 gstg=6b112f8a...',
    ],
    load: () => import('./commands/stage.ts'),
  },
  {
    name: 'releases',
    args: '[env]',
    summary: 'list what is staged, pinned, proven and quarantined',
    help: 'One line a package, with pinned, proven and QUARANTINED.',
    examples: ['releases', 'releases gprd'],
    load: () => import('./commands/releases.ts'),
  },
  {
    name: 'plan',
    args: '<env> [version]',
    summary: 'show the waves, who is left out and why, and what blocks; changes nothing',
    help: 'Looks at every host over SSH and contacts nothing else. Without VERSION: what a promotion would take, or else the newest that is staged.',
    examples: ['plan gstg 5.10.2', 'plan gprd'],
    load: () => import('./commands/plan.ts'),
  },
  {
    name: 'deploy',
    args: '<env> <version>',
    summary: 'roll a version out to an environment that nothing precedes',
    changes: true,
    options: [DETACH, MAX_HOLD, CHANGE],
    help: 'Canary wave, verdict, waves, soak, bake; ends when the bake does. The same command again carries the same rollout on, and asks nothing then.',
    examples: ["deploy gstg 5.10.2 --reason 'CVE-2026-1234'", 'deploy gstg 5.10.2 --yes --detach'],
    load: () => import('./commands/deploy.ts'),
  },
  {
    name: 'promote',
    args: '<env>',
    summary: 'roll out the version that the preceding environment has proven',
    changes: true,
    options: [
      DETACH,
      MAX_HOLD,
      CHANGE,
      new Option(
        '--without-receipt <version>',
        'promote VERSION without proof from the preceding environment; needs --reason',
      ),
    ],
    help: 'Refused (exit 4) until the preceding environment has proven a version in its bake. The same command again carries the same rollout on, and asks nothing then.',
    examples: ['promote gprd', "promote gprd --without-receipt 5.10.2 --reason 'gstg is down, INC-12'"],
    load: () => import('./commands/promote.ts'),
  },
  {
    name: 'canary',
    args: '<env> <version>',
    summary: 'one host of every kind and a verdict, then back again',
    changes: true,
    options: [
      DETACH,
      MAX_HOLD,
      CHANGE,
      new Option('--keep', 'leave the canaries on the version when they pass'),
    ],
    help: 'Needs no proof from the preceding environment: few hosts, watched, and put back unless --keep is given. The same command again carries the same rollout on, and asks nothing then.',
    examples: ['canary gprd 5.10.2', 'canary gprd 5.10.2 --keep --yes'],
    load: () => import('./commands/canary.ts'),
  },
  {
    name: 'status',
    args: '[env]',
    metrics: true,
    summary: 'where every rollout stands, and why nothing moves',
    help: 'Reads journals only: needs no host, no metrics and no store.',
    examples: ['status', 'status gprd --json'],
    load: () => import('./commands/status.ts'),
  },
  {
    name: 'watch',
    args: '[env]',
    metrics: true,
    summary: 'status, again and again until Ctrl-C',
    options: [new Option('--every <duration>', 'how often').default('2s')],
    help: 'On a terminal the screen is redrawn; a pipe gets a new block whenever something changed.',
    examples: ['watch gprd', 'watch gprd --every 10s'],
    load: () => import('./commands/watch.ts'),
  },
  {
    name: 'advance',
    args: '<env>',
    summary: 'go on as far as is possible now, then end: for CI, on a schedule',
    changes: true,
    neverAsks: true,
    options: [MAX_HOLD, new Option('--wait', 'wait through soak and bake as deploy does')],
    help: 'Asks nothing: it only carries on what was agreed to when the rollout began. Also after a crash or an interruption: it looks at hosts whose outcome is unknown before it touches them. Ends with 4 when it is not over yet: call it again.',
    examples: ['advance gprd --json', 'advance gprd --wait'],
    load: () => import('./commands/advance.ts'),
  },
  {
    name: 'pause',
    args: '<env>',
    summary: 'begin nothing new until resume',
    changes: true,
    neverAsks: true,
    help: 'Never asks: a pause makes nothing worse. What runs on hosts now ends first; a soak or bake goes on being watched.',
    examples: ["pause gprd --reason 'INC-12'"],
    load: () => import('./commands/requests.ts').then((m) => m.pause),
  },
  {
    name: 'resume',
    args: '<env>',
    summary: 'go on after a pause or a halt',
    changes: true,
    help: 'Only lifts the pause or the halt; `rollout advance` goes on if nobody is at work.',
    examples: ["resume gprd --reason 'INC-12 is over'"],
    load: () => import('./commands/requests.ts').then((m) => m.resume),
  },
  {
    name: 'approve',
    args: '<env>',
    summary: 'let the next wave begin',
    changes: true,
    help: 'Where the environment asks for approvals, or nothing was there to be watched.',
    examples: ["approve gprd --reason 'looked at the dashboards'"],
    load: () => import('./commands/requests.ts').then((m) => m.approve),
  },
  {
    name: 'abort',
    args: '<env>',
    summary: 'end the rollout and leave the hosts as they are',
    changes: true,
    help: 'Touched hosts keep what they have; `rollout rollback` puts them back later. Nothing else may start before that.',
    examples: ["abort gprd --reason 'wrong version'"],
    load: () => import('./commands/requests.ts').then((m) => m.abort),
  },
  {
    name: 'rollback',
    args: '<env>',
    summary: 'put every host that the last rollout touched back',
    changes: true,
    options: [
      CHANGE,
      MAX_HOLD,
      new Option('--to <version>', 'go to this staged version instead of each host’s previous one'),
    ],
    help: 'Fast, in one go, each host proven; the digest is quarantined and the pin goes back. What cannot be put back is named, and every `rollout advance` tries again (exit 5).',
    examples: ["rollback gprd --reason 'INC-12'", "rollback gprd --to 5.9.1 --reason 'INC-12'"],
    load: () => import('./commands/rollback.ts'),
  },
  {
    name: 'history',
    args: '<env>',
    summary: 'who changed what, when and why',
    options: [
      new Option('--limit <n>', 'newest entries').argParser(wholeNumber).default(200),
      new Option('--verify', 'check the whole chain and say so'),
    ],
    help: 'The journal in words, newest last. The chain is always checked; a journal that was altered ends with 1.',
    examples: ['history gprd --limit 20', 'history gprd --verify'],
    load: () => import('./commands/history.ts'),
  },
  {
    name: 'report',
    args: '<env> [rollout]',
    summary: 'an archive and a page of all that is known of a rollout, for an incident',
    options: [
      new Option('--out <dir>', 'folder for the two files').default('.'),
      new Option('--no-look', 'from the journal alone: neither hosts nor metrics are asked'),
    ],
    help: "Of the newest rollout, or the one named: what happened when and by whom, every verdict with its query and the metrics' answer asked again, hosts and what they said, and of those in trouble the unit's state and its log now. Needs no lease and changes nothing; whoever does not answer is named. The files are readable by their owner alone: logs are copied as they are, but for what looks like a secret.",
    examples: ['report gprd', 'report gprd gprd-12 --out /tmp --no-look'],
    load: () => import('./commands/report.ts'),
  },
  ...FLEET_COMMANDS,
  HOLDS_COMMAND,
  ...LIFECYCLE_COMMANDS,
  {
    name: 'quarantine list',
    args: '[env]',
    summary: 'digests that were rolled back',
    help: '',
    examples: ['quarantine list', 'quarantine list gstg'],
    load: () => import('./commands/quarantine.ts').then((m) => m.list),
  },
  {
    name: 'quarantine lift',
    args: '<sha256>',
    summary: 'let a digest be rolled out again; needs --reason',
    changes: true,
    help: 'Takes the whole sha256 or at least its first 8 digits.',
    examples: ["quarantine lift 6b112f8a12c1 --reason 'the gate was wrong, INC-12'"],
    load: () => import('./commands/quarantine.ts').then((m) => m.lift),
  },
  {
    name: 'init',
    summary: 'environments of your own, asked for one question at a time',
    options: [
      new Option('--answers <file>', 'what is asked, as YAML; for several environments at once'),
      new Option('--name <name>', 'the environment; with this flag nothing is asked but to confirm'),
      new Option('--project <project...>', 'its VMs are those of these Compute Engine projects'),
      new Option('--hosts-file <file>', 'its VMs are listed in this file').conflicts('project'),
      new Option('--bucket <bucket>', 'packages and journal are kept there'),
      new Option('--folder <dir>', 'packages and journal are kept there, on this machine').conflicts(
        'bucket',
      ),
      new Option('--prometheus <url>', 'base URL of its metrics; else the VMs are asked over SSH'),
      new Option('--ssh-user <user>', 'who logs in to the VMs'),
      new Option('--os-login', 'the OS Login user of the credentials logs in').conflicts('sshUser'),
      new Option('--role-label <key>', 'label of a VM whose value is its role'),
      new Option('--key-file <file>', 'key of a service account; else the Application Default Credentials'),
      new Option('--promotes-from <env>', 'takes only what that environment has proven'),
      new Option('--playbooks', 'copy the playbooks too, to change them'),
      new Option('--yes', 'do not ask; needed where there is no terminal'),
    ],
    help: INIT_HELP,
    examples: [
      'init',
      'init --config infra/rollout',
      'init --yes --name gstg --project my-staging --bucket my-staging-rollout --prometheus https://prometheus.example.com --ssh-user rollout',
      'init --yes --answers answers.yaml',
    ],
    load: () => import('./commands/init.ts'),
  },
  {
    name: 'doctor',
    args: '[env]',
    summary: 'is everything there that a rollout will need, and if not, what mends it; changes nothing',
    options: [
      new Option('--offline', 'only what the files tell: asks nobody'),
      new Option('--hosts <n>', 'VMs to look at over SSH, spread over zones and roles')
        .argParser(wholeNumber)
        .default(3),
    ],
    help: 'Asks instead of guessing: credentials, each permission on projects and buckets, the way to a few VMs with host key, sudo and instance id, a signed URL, every gate, clocks, freeze windows and exemptions. Writes nothing anywhere. A question without an answer in 20 s fails alone. Ends with 0 when nothing failed (warnings may be there), 1 when something did, 2 when the files are wrong. Without ENV all environments of your own.',
    examples: ['doctor gprd', 'doctor gprd --hosts 10 --json', 'doctor --offline'],
    load: () => import('./commands/doctor.ts'),
  },
  {
    name: 'gates check',
    args: '<env>',
    summary: 'every gate evaluated now on the present fleet, with numbers; changes nothing',
    options: [
      new Option('--hosts <name...>', 'only these VMs; else all that must have the agent and are not held'),
    ],
    help: 'To tune gates before they decide: asks what a rollout would ask, of Prometheus, of the hosts (gates of the probe, over SSH) and of witnesses, and judges each gate by its limit as if every VM had been changed. A comparison is rehearsed on the canaries that a rollout would choose against their control hosts: nothing has changed, so whatever it finds is a false alarm. Needs no lease and writes nothing. Ends with 0 when every gate passes; 4 when one fails (a rollout would be rolled back), cannot tell, or its source fails (it would be held), or a zone could not be listed.',
    examples: ['gates check gprd', 'gates check gprd --hosts web-01 web-02', 'gates check gprd --json'],
    load: () => import('./commands/gates.ts').then((m) => m.check),
  },
  {
    name: 'config check',
    args: '[env]',
    summary: 'read every file and print all problems',
    help: 'Each problem with file, line, column, what was found and what is allowed. A problem in one environment does not keep the others from working. With ENV only what concerns that one.',
    examples: ['config check --config infra/rollout', 'config check gprd'],
    load: () => import('./commands/config.ts').then((m) => m.check),
  },
  {
    name: 'config reference',
    args: '[part]',
    summary: 'every key with its unit, default and meaning; PART shows one of them, such as limits',
    help: '',
    examples: ['config reference', 'config reference limits'],
    load: () => import('./commands/config.ts').then((m) => m.reference),
  },
  {
    name: 'config schema',
    args: '[kind]',
    summary: 'JSON Schema of environment or playbook files, for editors',
    help: '',
    examples: ['config schema environment > environment.schema.json'],
    load: () => import('./commands/config.ts').then((m) => m.schema),
  },
  {
    name: 'demo',
    summary: 'the whole story on an embedded fleet, in about a minute and a half',
    options: [new Option('--keep', 'leave the sandbox running')],
    help: 'Nothing outside this machine is touched. Soak and bake take seconds.',
    examples: ['demo', 'demo --keep'],
    load: () => import('./commands/demo.ts'),
  },
  {
    name: 'sandbox up',
    summary: 'start the embedded fleet and leave it running',
    options: [new Option('--foreground', 'stay until Ctrl-C')],
    help: '24 VMs on loopback, as the environments sandbox-gstg and sandbox-gprd; says what to type next.',
    examples: ['sandbox up'],
    load: () => import('./commands/sandbox.ts').then((m) => m.up),
  },
  {
    name: 'sandbox down',
    summary: 'stop the embedded fleet and delete what it wrote',
    help: '',
    examples: ['sandbox down'],
    load: () => import('./commands/sandbox.ts').then((m) => m.down),
  },
  {
    name: 'sandbox status',
    summary: 'what each embedded host really runs',
    help: '',
    examples: ['sandbox status'],
    load: () => import('./commands/sandbox.ts').then((m) => m.status),
  },
];

/** Commands of two words, by their first. */
export const GROUPS: Readonly<Record<string, string>> = {
  osqueryd: 'stop, start, restart, ... the agent; `osqueryd` alone is the same',
  quarantine: 'digests that were rolled back and go nowhere',
  gates: 'what rollouts are judged by',
  config: 'check and explain the configuration',
  sandbox: 'the embedded fleet that needs nothing but Node',
};

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/u.test(text)) throw new InvalidArgumentError('It must be a whole number from 1.');
  return Number(text);
}
