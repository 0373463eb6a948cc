/**
 * Google's description of Compute Engine's messages, cut down to what is asked here. The library reads all of it (12 MB: 0.4 s and
 * 100 MB) and fills every field that a description has, so each VM costs what its description costs. What is left out here is not
 * decoded, and so cannot leak either.
 */

interface SchemaNode {
  nested?: Record<string, SchemaNode>;
  fields?: Record<string, { readonly type: string }>;
  oneofs?: Record<string, { readonly oneof: readonly string[] }>;
  methods?: Record<string, { readonly requestType: string; readonly responseType: string }>;
}

const METHODS = ['AggregatedList', 'List', 'GetGuestAttributes', 'TestIamPermissions'];

/** Fields that are read; a message that is not named here is kept whole. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  Instance: [
    'id',
    'name',
    'zone',
    'status',
    'creationTimestamp',
    'machineType',
    'labels',
    'tags',
    'metadata',
    'scheduling',
    'networkInterfaces',
    'disks',
  ],
  Tags: ['items'],
  Metadata: ['items'],
  Scheduling: ['preemptible', 'provisioningModel'],
  NetworkInterface: ['network', 'networkIP', 'ipv6Address', 'accessConfigs', 'ipv6AccessConfigs'],
  AccessConfig: ['natIP', 'externalIpv6'],
  AttachedDisk: ['boot', 'licenses'],
};

/** Cuts it down in place, so that the library finds only that. Throws when it is not what it was: another version of the library. */
export function trimSchema(schema: unknown): void {
  const v1 = ['google', 'cloud', 'compute', 'v1'].reduce<SchemaNode | undefined>(
    (node, name) => node?.nested?.[name],
    schema as SchemaNode,
  );
  const all = v1?.nested;
  const service = all?.Instances;
  if (v1 === undefined || all === undefined || service?.methods === undefined)
    throw new Error('bug: the compute library describes its messages in another way');
  const kept: Record<string, SchemaNode> = {};
  const keep = (name: string): void => {
    const message = all[name];
    if (message === undefined || Object.hasOwn(kept, name)) return;
    const whole = Object.entries(message.fields ?? {});
    const fields = whole.filter(([field]) => FIELDS[name]?.includes(field) ?? true);
    for (const field of FIELDS[name] ?? [])
      if (!Object.hasOwn(message.fields ?? {}, field))
        throw new Error(`bug: the compute library knows no ${name}.${field}`);
    kept[name] = { ...message, ...(message.fields ? { fields: Object.fromEntries(fields) } : {}) };
    if (message.oneofs !== undefined)
      kept[name].oneofs = oneofsOf(message.oneofs, new Set(fields.map(([f]) => f)));
    for (const [, { type }] of fields) keep(type);
  };
  const methods = Object.entries(service.methods).filter(([name]) => METHODS.includes(name));
  for (const [, { requestType, responseType }] of methods) {
    keep(requestType);
    keep(responseType);
  }
  v1.nested = { ...kept, Instances: { ...service, methods: Object.fromEntries(methods) } };
}

function oneofsOf(
  oneofs: NonNullable<SchemaNode['oneofs']>,
  fields: ReadonlySet<string>,
): NonNullable<SchemaNode['oneofs']> {
  const kept = Object.entries(oneofs).map(
    ([name, { oneof }]) => [name, { oneof: oneof.filter((f) => fields.has(f)) }] as const,
  );
  return Object.fromEntries(kept.filter(([, { oneof }]) => oneof.length > 0));
}
