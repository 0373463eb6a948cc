/**
 * One value of a role file that two controllers would set: a stop of the one environment would be one of the other, and the first start
 * would put back what the other's stop still means. Only what the files' names tell is seen.
 */
import { type Fault, fault } from './problem.ts';
import { readKey } from './schema-walk.ts';
import { listOf } from './written-shape.ts';

interface Value {
  readonly environment: string;
  /** In the list of controllers, from 0. */
  readonly index: number;
  /** Absolute. */
  readonly file: string;
  readonly keys: readonly string[];
}

export interface ControllersOf {
  readonly environment: string;
  readonly controllers: unknown;
  readonly absolute: (written: string) => string;
}

/** Faults of `own`, which are its later values in the order of `all`; `all` has it too. */
export function sharedRoleFileFaults(own: string, all: readonly ControllersOf[]): Fault[] {
  const values = all.flatMap(valuesOf);
  return values.flatMap((later, at) => {
    if (later.environment !== own) return [];
    const earlier = values.slice(0, at).find((one) => isShared(one, later));
    if (earlier === undefined) return [];
    const who =
      earlier.environment === own
        ? `controller ${earlier.index + 1} of the list sets`
        : `a controller of ${earlier.environment} sets`;
    return [
      fault(
        ['controllers', later.index, 'set'],
        `${who} this value of the file too: whoever starts first would undo the other's stop`,
        {
          found: later.keys.join('.'),
          allowed: ['a value of its own', 'a role file of its own'],
        },
      ),
    ];
  });
}

function valuesOf({ environment, controllers, absolute }: ControllersOf): Value[] {
  return listOf(controllers).flatMap((controller, index) => {
    const file = readKey(controller, 'roleFile');
    const set = readKey(controller, 'set');
    const keys =
      typeof set === 'string' ? set.split('.') : listOf(set).filter((key) => typeof key === 'string');
    return typeof file === 'string' && keys.length > 0
      ? [{ environment, index, file: absolute(file), keys }]
      : [];
  });
}

/** The same, or one inside the other. */
function isShared(a: Value, b: Value): boolean {
  const common = Math.min(a.keys.length, b.keys.length);
  return a.file === b.file && a.keys.slice(0, common).every((key, index) => key === b.keys[index]);
}
