/** The part of Compute Engine's list filter that tests use: `name=x`, `status = "RUNNING"`, `labels.env:*`, joined by AND or brackets. */
import type { FakeVm } from './compute-fleet.ts';

const TERM = /^\s*\(?\s*([a-z]+(?:\.[\w-]+)?)\s*(!=|=|:)\s*("[^"]*"|[^\s()"]+)\s*\)?\s*(?:AND\b)?/;

/** Whether the VM is kept; of no VM (null): whether the filter is one at all. */
export function keepsVm(filter: string, vm: FakeVm | null): boolean {
  for (let rest = filter.trim(); rest !== ''; ) {
    const term = TERM.exec(rest);
    if (term === null) return false;
    const [whole, field = '', operator, quoted = ''] = term;
    const value = quoted.replaceAll('"', '');
    if (vm !== null) {
      const found = valueOf(field, vm);
      const fits = operator === ':' && value === '*' ? found !== undefined : found === value;
      if (operator === '!=' ? fits : !fits) return false;
    }
    rest = rest.slice(whole.length).trim();
  }
  return true;
}

function valueOf(field: string, vm: FakeVm): string | undefined {
  if (field.startsWith('labels.')) return vm.labels?.[field.slice('labels.'.length)];
  if (field === 'name') return vm.name;
  if (field === 'status') return vm.status ?? 'RUNNING';
  return undefined;
}
