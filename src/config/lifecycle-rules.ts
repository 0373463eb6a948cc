/** Rules between the keys about starting and stopping the agent, and what is right and yet worth a word. */
import { type Fault, fault } from './problem.ts';
import { wrongPlaces } from './schema/parts.ts';
import { readKey } from './schema-walk.ts';
import { has, isMap, listOf } from './written-shape.ts';

export function lifecycleFaults(written: unknown): Fault[] {
  return [
    ...brakeFaults(written),
    ...purgeFaults(readKey(readKey(written, 'lifecycle'), 'purgePaths')),
    ...controllerFaults(readKey(written, 'controllers')),
  ];
}

/** What is right and may yet not be meant. */
export function lifecycleNotes(written: unknown): Fault[] {
  return listOf(readKey(written, 'controllers')).flatMap((controller, index) => {
    if (!isMap(controller)) return [];
    return has(controller, 'roleFile') ? textNotes(controller, index) : untakenNotes(controller, index);
  });
}

function untakenNotes(controller: unknown, index: number): Fault[] {
  if (!has(controller, 'onStop') || has(controller, 'onStart')) return [];
  return [
    fault(
      ['controllers', index],
      'a start will not take back what its onStop did: there is no onStart. `onStart: []` says that this is meant',
      { allowed: ['onStart: [WORD, ...]', 'onStart: []'] },
    ),
  ];
}

/** To Ruby and to most others every text is true, `"false"` as well: the agent would go on being run. */
function textNotes(controller: unknown, index: number): Fault[] {
  const onStop = readKey(controller, 'onStop');
  const meant = typeof onStop === 'string' ? SWITCHES[onStop.trim().toLowerCase()] : undefined;
  if (meant === undefined) return [];
  return [
    fault(
      ['controllers', index, 'onStop'],
      'this is a text, which counts as true where it is read as a switch',
      {
        found: JSON.stringify(onStop),
        allowed: ['true', 'false'],
        suggestion: meant,
      },
    ),
  ];
}

const SWITCHES: Readonly<Record<string, string>> = {
  '0': 'false',
  '1': 'true',
  false: 'false',
  no: 'false',
  off: 'false',
  on: 'true',
  true: 'true',
  yes: 'true',
};

/** Then a stop would be undone by the next one to start the service, and nobody would have been told. */
function brakeFaults(written: unknown): Fault[] {
  const lifecycle = readKey(written, 'lifecycle');
  if (readKey(lifecycle, 'brake') !== 'none') return [];
  if (listOf(readKey(written, 'controllers')).length > 0) return [];
  return [
    fault(
      ['lifecycle', 'brake'],
      'a stop would not stick: with `none` only the controllers are told, and there are none',
      { found: 'none', allowed: ['mask', 'condition', 'none with `controllers`'] },
    ),
  ];
}

/** Folders that hold more than one program's files: neither they nor what they are in may be purged. */
const SHARED = [
  '/etc apparmor.d apt cron.d default dpkg init.d logrotate.d network pam.d profile.d rsyslog.d security ssh ssl',
  '/etc sudoers.d sysctl.d systemd systemd/system udev',
  '/run lock rollout systemd user',
  '/usr bin games include lib lib/systemd lib32 lib64 libexec local sbin share share/doc src',
  '/usr/local bin etc lib sbin share src',
  '/var backups cache cache/apt lib local lock log log/journal mail opt run spool spool/cron tmp www',
  '/var/lib apt dpkg rollout systemd',
].flatMap((line) => {
  const [folder = '', ...names] = line.split(' ');
  return names.map((name) => `${folder}/${name}`);
});

/** Nothing in them is the agent's own. */
const NEVER_IN = [
  '/bin /boot /dev /lib /lib32 /lib64 /proc /sbin /sys',
  // What says which packages, which holds and which logins there are.
  '/etc/ssh /root/.ssh /run/rollout /var/lib/dpkg /var/lib/rollout',
].flatMap((line) => line.split(' ').map((folder) => `${folder}/`));

function purgeFaults(paths: unknown): Fault[] {
  return listOf(paths).flatMap((path, index) => {
    const why = typeof path === 'string' ? whyNotPurged(path) : null;
    if (why === null || typeof path !== 'string') return [];
    return [
      fault(['lifecycle', 'purgePaths', index], why, {
        found: path,
        allowed: ['a folder of the agent, such as /etc/osquery'],
      }),
    ];
  });
}

/** Null when a purge may remove it. */
function whyNotPurged(path: string): string | null {
  const parts = path.split('/').slice(1);
  if (!path.startsWith('/')) return 'it must be absolute: it is a folder on the host';
  if (/[\p{Cc}*?[\]\\]/u.test(path)) return 'it is taken as it stands: no wildcards, no control characters';
  if (parts.some((part) => part === '' || part === '.' || part === '..'))
    return 'it must be written plainly: no `.`, no `..`, no slash twice or at the end';
  const tooWide = 'a purge would remove more than the agent: it needs a folder of its own';
  if (parts.length < 2) return tooWide;
  if (/^\/home\/[^/]+$/.test(path) || NEVER_IN.some((folder) => `${path}/`.startsWith(folder)))
    return tooWide;
  return SHARED.some((folder) => folder === path || folder.startsWith(`${path}/`)) ? tooWide : null;
}

/** Filled into words. */
const WORD_PLACES = ['reason', 'by', 'until', 'environment'];
/** Filled into a branch's name: a reason is a sentence, and a time has colons. */
const BRANCH_PLACES = ['environment', 'verb', 'by', 'actionId'];

const OF_COMMANDS = ['when', 'onStart', 'timeout'] as const;
const OF_ROLE_FILES = ['set', 'branch'] as const;

function controllerFaults(controllers: unknown): Fault[] {
  const names = new Map<string, number>();
  return listOf(controllers).flatMap((controller, index) => {
    if (!isMap(controller)) return [];
    const path = ['controllers', index] as const;
    const faults: Fault[] = [];
    const name = readKey(controller, 'name');
    if (typeof name === 'string') {
      const first = names.get(name);
      if (first === undefined) names.set(name, index);
      else
        faults.push(
          fault([...path, 'name'], `controller ${first + 1} of the list has the same name`, { found: name }),
        );
    }
    const own = has(controller, 'roleFile')
      ? roleFileFaults(controller, path)
      : commandFaults(controller, path);
    return [...faults, ...own];
  });
}

type Path = readonly (string | number)[];

function commandFaults(controller: unknown, path: Path): Fault[] {
  const stray = OF_ROLE_FILES.filter((key) => has(controller, key)).map((key) =>
    fault([...path, key], `\`${key}\` belongs to a role file, and there is no roleFile`, {
      part: 'key',
      allowed: ['roleFile: FILE'],
    }),
  );
  const onStop = readKey(controller, 'onStop');
  if (onStop !== undefined && !Array.isArray(onStop)) {
    const words = typeof onStop === 'string' ? onStop.split(/\s+/).filter((one) => one !== '') : [];
    const suggestion = words.length === 0 ? {} : { suggestion: `[${words.map(flowWord).join(', ')}]` };
    return [
      ...stray,
      fault([...path, 'onStop'], 'a command is a list of words: there is no shell that would take it apart', {
        found: JSON.stringify(onStop),
        allowed: ['[chef-client-disable, "{reason}"]', 'roleFile: FILE beside it'],
        ...suggestion,
      }),
    ];
  }
  const empty =
    Array.isArray(onStop) && onStop.length === 0
      ? [
          fault([...path, 'onStop'], 'the list is empty: nobody would be told', {
            allowed: ['a list of words, at least one'],
          }),
        ]
      : [];
  const words = (['onStop', 'onStart'] as const).flatMap((key) =>
    wordFaults(readKey(controller, key), [...path, key]),
  );
  return [...stray, ...empty, ...words];
}

function flowWord(text: string): string {
  return /^[A-Za-z_/][A-Za-z0-9_./-]*$/.test(text) ? text : JSON.stringify(text);
}

function wordFaults(words: unknown, path: Path): Fault[] {
  return listOf(words).flatMap((one, index) => {
    if (typeof one !== 'string') return [];
    const at = [...path, index];
    if (one.trim() === '') return [fault(at, 'a word is not empty', { found: JSON.stringify(one) })];
    if (/\p{Cc}/u.test(one)) return [fault(at, 'a word has no control characters')];
    if (index === 0) {
      if (/[{}]/.test(one))
        return [
          fault(at, 'the first word is the program: it is written out, never filled in', { found: one }),
        ];
      if (/^[^/]*\s/.test(one))
        return [
          fault(
            at,
            'this is one word, and there is no shell that would take it apart; write a list of words',
            {
              found: one,
              suggestion: one.split(/\s+/).map(flowWord).join(', '),
            },
          ),
        ];
    }
    return wrongPlaces(one, WORD_PLACES).map(({ message, ...detail }) => fault(at, message, detail));
  });
}

function roleFileFaults(controller: unknown, path: Path): Fault[] {
  const stray = OF_COMMANDS.filter((key) => has(controller, key)).map((key) =>
    fault([...path, key], `\`${key}\` belongs to a command, and this is a role file`, { part: 'key' }),
  );
  const onStop = readKey(controller, 'onStop');
  const value = Array.isArray(onStop)
    ? [
        fault([...path, 'onStop'], 'of a role file this is the value that is set, not words', {
          found: 'a list',
          allowed: ['false', '"stopped"', '0'],
        }),
      ]
    : [];
  const set = readKey(controller, 'set');
  return [...stray, ...value, ...setFaults(set, path), ...branchFaults(readKey(controller, 'branch'), path)];
}

function setFaults(set: unknown, path: Path): Fault[] {
  const allowed = ['default_attributes.uptycs.enable'];
  if (set === undefined)
    return [
      fault(path, 'which value of the role file is meant is not said: `set` is missing', {
        allowed: allowed.map((one) => `set: ${one}`),
      }),
    ];
  const keys = typeof set === 'string' ? set.split('.') : listOf(set);
  if (keys.length > 0 && keys.every((key) => key !== '')) return [];
  return [fault([...path, 'set'], 'it needs at least one key, and none may be empty', { allowed })];
}

function branchFaults(branch: unknown, path: Path): Fault[] {
  if (typeof branch !== 'string') return [];
  const at = [...path, 'branch'];
  const places = wrongPlaces(branch, BRANCH_PLACES);
  if (places.length > 0) return places.map(({ message, ...detail }) => fault(at, message, detail));
  const filled = branch.replaceAll(/\{[A-Za-z]+\}/g, 'x');
  const whole =
    !/[\s\p{Cc}~^:?*[\\{}]|\.\.|@\{|\/\/|^[-/.]|\/\.|[/.]$|\.lock(\/|$)/u.test(filled) &&
    !['@', 'HEAD'].includes(filled);
  return whole
    ? []
    : [
        fault(at, 'git takes no branch of this name', {
          found: branch,
          allowed: ['rollout/{environment}-{verb}'],
        }),
      ];
}
