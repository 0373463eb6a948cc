/** Rules between keys about other witnesses; that a gate's witness is there is gate-rules.ts. */
import { type Fault, fault } from './problem.ts';
import { readKey } from './schema-walk.ts';
import { has, isMap, listOf, notBoth } from './written-shape.ts';

const NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;

export function witnessFaults(written: unknown): Fault[] {
  const witnesses = readKey(written, 'witnesses');
  const names = isMap(witnesses) ? Object.keys(witnesses as object) : [];
  return names.flatMap((name) => oneFaults(name, readKey(witnesses, name)));
}

function oneFaults(name: string, witness: unknown): Fault[] {
  const path = ['witnesses', name];
  const faults: Fault[] = [];
  if (!NAME.test(name)) {
    const allowed = ['small letters, digits and dashes'];
    faults.push(
      fault(path, 'not a name of the form that is taken here', { part: 'key', found: name, allowed }),
    );
  }
  if (!isMap(witness)) return faults;
  for (const one of [...loginFaults(witness), ...commandFaults(readKey(witness, 'run'))])
    faults.push({ ...one, path: [...path, ...one.path] });
  return faults;
}

/** A path is given from the witness on. */
function loginFaults(witness: unknown): Fault[] {
  const faults: Fault[] = [
    ...notBoth(witness, '', ['tokenEnv', 'tokenFile']),
    ...notBoth(witness, '', ['passwordEnv', 'passwordFile']),
  ].map((one) => ({ ...one, path: one.path.slice(1) }));
  const bearer = has(witness, 'tokenEnv') || has(witness, 'tokenFile');
  const password = has(witness, 'passwordEnv') || has(witness, 'passwordFile');
  const user = has(witness, 'username');
  if (bearer && (user || password))
    faults.push(fault([], 'either a token or a user with password, not both', { part: 'key' }));
  else if (user !== password) {
    const allowed = user ? ['passwordEnv', 'passwordFile'] : ['username'];
    const message = user ? 'the password of the user is missing' : 'a password without username';
    faults.push(fault([], message, { part: 'key', allowed }));
  }
  return faults;
}

function commandFaults(run: unknown): Fault[] {
  const [program] = listOf(run);
  if (typeof program !== 'string') return [];
  const path = ['run', 0];
  if (/^[^/]*\s/.test(program)) {
    const message = 'this is one word, and there is no shell that would take it apart; write a list of words';
    const allowed = program.split(/\s+/).filter((word) => word !== '');
    return [fault(path, message, { found: program, allowed })];
  }
  if (!/[{}]/.test(program)) return [];
  const message = 'the first word is the program: it is written out, never filled in';
  return [fault(path, message, { found: program })];
}
