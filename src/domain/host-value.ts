/** What others call a host: the label of its series, its name in a log or in a fleet manager. Pure. */

interface NamedHost {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  readonly zone: string;
  readonly role: string;
}

/** A `hostValue` of an environment's file, filled in for a host. Unknown placeholders stay as they are. */
export function hostValueFor(template: string, host: NamedHost): string {
  return template.replaceAll(/\{(name|id|address|zone|role)\}/g, (_, key: keyof NamedHost) => host[key]);
}
