/** The control file of a package: one paragraph of `Field: value` lines, as deb-control(5) has it. */
import type { PackageControl } from '../../domain/artifact.ts';
import { parseVersion } from '../../domain/version.ts';
import { DebFailure } from './failure.ts';

interface Field {
  readonly name: string;
  readonly value: string;
  readonly line: number;
  multiline: boolean;
}

/** Reads the fields that matter here; others are only checked for form. Throws DebFailure `bad-control`. */
export function parseControl(text: string): PackageControl {
  const fields = readFields(text);
  const version = required(fields, 'Version', /^\S+$/);
  const parsed = parseVersion(version);
  if (!parsed.ok) throw bad(parsed.error.message);
  const control: PackageControl = {
    package: required(fields, 'Package', /^[a-z0-9][a-z0-9+.-]+$/),
    version,
    architecture: required(fields, 'Architecture', /^[a-z0-9][a-z0-9-]*$/),
  };
  const size = fields.get('installed-size')?.value;
  if (size === undefined) return control;
  if (!/^\d{1,15}$/.test(size)) throw bad(`Installed-Size is ${quote(size)}, which is no number of KiB`);
  return { ...control, installedSizeKib: Number(size) };
}

function readFields(text: string): Map<string, Field> {
  const fields = new Map<string, Field>();
  let last: Field | null = null;
  let paragraphEnded = false;
  for (const [index, line] of text.split('\n').entries()) {
    const number = index + 1;
    if (line.trim() === '') {
      paragraphEnded = fields.size > 0;
      continue;
    }
    if (paragraphEnded) throw bad(`line ${number} begins a second paragraph`);
    if (line.startsWith(' ') || line.startsWith('\t')) {
      if (last === null) throw bad(`line ${number} continues a field, but none has begun`);
      last.multiline = true;
      continue;
    }
    const [, name, value] = /^([!-9;-~]+):[ \t]*(.*?)[ \t\r]*$/.exec(line) ?? [];
    if (name === undefined || value === undefined)
      throw bad(`line ${number} is no "Field: value": ${quote(line)}`);
    const key = name.toLowerCase();
    const first = fields.get(key);
    if (first !== undefined) throw bad(`${name} is there twice, on lines ${first.line} and ${number}`);
    last = { name, value, line: number, multiline: false };
    fields.set(key, last);
  }
  return fields;
}

function required(fields: ReadonlyMap<string, Field>, name: string, form: RegExp): string {
  const field = fields.get(name.toLowerCase());
  if (field === undefined) throw bad(`${name} is missing`);
  if (field.multiline) throw bad(`${name} goes over several lines`);
  if (!form.test(field.value)) throw bad(`${name} is ${quote(field.value)}, which is not allowed there`);
  return field.value;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}

function bad(why: string): DebFailure {
  return new DebFailure('bad-control', `its control file: ${why}`);
}
