/** Rules between the keys about starting and stopping the agent, and what is right and yet worth a word. */
import { type Fault, fault } from './problem.ts';
import { purgeFaults } from './purge-rules.ts';
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
  if (typeof onStop === 'number' && Math.abs(onStop) > Number.MAX_SAFE_INTEGER)
    value.push(
      fault([...path, 'onStop'], 'a number of so many digits would be written as another one', {
        allowed: ['a number of at most 15 digits', 'a text'],
      }),
    );
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
