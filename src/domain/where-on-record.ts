/** Expressions over VMs as the journal recorded them: it keeps less of a VM than an inventory tells. */
import type { Expression } from './expression.ts';
import type { SeenHost } from './fleet-record.ts';
import type { Host } from './host.ts';

/** Attributes of one text that the record keeps; `address` is what SSH connected to. */
const RECORDED: ReadonlySet<string> = new Set([
  'id',
  'name',
  'address',
  'zone',
  'region',
  'role',
  'machineType',
  'os',
  'status',
  'project',
]);

/** What the expression reads and the journal does not keep, each once: no VM of the past has it, which is not the same as false. */
export function unrecordedAttributes(expression: Expression): string[] {
  const found = new Set<string>();
  collect(expression, found);
  return [...found];
}

function collect(expression: Expression, found: Set<string>): void {
  switch (expression.kind) {
    case 'constant':
    case 'spot':
    case 'created':
      return;
    case 'and':
    case 'or':
      collect(expression.left, found);
      collect(expression.right, found);
      return;
    case 'not':
      collect(expression.of, found);
      return;
    case 'contains':
      found.add(expression.list);
      return;
    case 'equals':
    case 'differs':
    case 'like':
    case 'unlike':
    case 'one-of':
    case 'has': {
      const { attribute } = expression;
      if (attribute.kind === 'keyed' || !RECORDED.has(attribute.name)) found.add(attribute.name);
      return;
    }
    default:
      expression satisfies never;
  }
}

/** For expressions that read nothing else than what is recorded. */
export function hostOfRecord(host: SeenHost): Host {
  return { ...host, address: host.addresses[0] ?? '', labels: {}, tags: [], metadata: {} };
}
