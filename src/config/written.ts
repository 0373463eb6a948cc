/** Text of one file to what was written in it, checked against schema and rules. Pure: no file is opened here. */
import type { z } from 'zod';
import { approvalNotes } from './approval-rules.ts';
import { check } from './check.ts';
import { lifecycleNotes } from './lifecycle-rules.ts';
import { playbookFaults } from './playbook-rules.ts';
import { type Fault, type Problem, sortProblems } from './problem.ts';
import { environmentFaults, hostFaults } from './rules.ts';
import { type EnvironmentWritten, environmentSchema, type HostWritten } from './schema/environment.ts';
import { hostListSchema } from './schema/fleet.ts';
import { type PlaybookWritten, playbookSchema } from './schema/playbook.ts';
import { wayBackNotes } from './way-back-rules.ts';
import { readYaml, type YamlFile } from './yaml-file.ts';

/** One file: `written` only when there is no problem, `yaml` whenever the text was YAML. */
export interface Written<T> {
  readonly file: string;
  readonly yaml: YamlFile | null;
  readonly written: T | null;
  readonly problems: readonly Problem[];
  /** What is right and may yet not be meant. */
  readonly notes: readonly Problem[];
}

export function readEnvironmentText(file: string, text: string): Written<EnvironmentWritten> {
  return readWritten(file, text, environmentSchema, environmentFaults, (value) => [
    ...lifecycleNotes(value),
    ...wayBackNotes(value),
    ...approvalNotes(value),
  ]);
}

export function readPlaybookText(file: string, text: string): Written<PlaybookWritten> {
  return readWritten(file, text, playbookSchema, playbookFaults);
}

/** The list of VMs that an inventory's `file` holds, YAML or JSON. `sshPort` is the environment's own. */
export function readHostsText(file: string, text: string, sshPort: number): Written<HostWritten[]> {
  const json = file.endsWith('.json');
  // JSON.parse takes a hundredth of the YAML parser's time, which matters at 10,000 hosts; it knows no places, so that a
  // list with a problem is read again.
  if (json) {
    const value = parseJson(text);
    const checked = hostListSchema.safeParse(value);
    if (checked.success && hostFaults(value, [], sshPort).length === 0) {
      return { file, yaml: null, written: checked.data, problems: [], notes: [] };
    }
  }
  // YAML takes no tabs before a key; every place stays the same with blanks.
  const source = json ? text.replaceAll('\t', ' ') : text;
  return readWritten(file, source, hostListSchema, (value) => hostFaults(value, [], sshPort));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readWritten<S extends z.ZodType>(
  file: string,
  text: string,
  schema: S,
  rules: (value: unknown) => Fault[],
  remarks: (value: unknown) => Fault[] = () => [],
): Written<z.output<S>> {
  const { yaml, problems } = readYaml(file, text);
  if (yaml === null) return { file, yaml, written: null, problems, notes: [] };
  const checked = check(schema, yaml.value, yaml.sourceOf);
  const faults = [...(checked.ok ? [] : checked.error), ...rules(yaml.value)];
  const found = sortProblems(faults.map((fault) => yaml.problem(fault)));
  const notes = remarks(yaml.value).map((fault) => yaml.problem(fault));
  return {
    file,
    yaml,
    written: checked.ok && found.length === 0 ? checked.value : null,
    problems: found,
    notes,
  };
}
