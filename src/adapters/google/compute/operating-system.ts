/** The operating system of a VM by the licences of its boot disk: the only thing that Compute Engine tells of it. */

const FAMILIES: readonly [RegExp, (match: RegExpExecArray) => string][] = [
  [/^debian-(\d+)/, ([, version]) => `debian-${version}`],
  [/^ubuntu(?:-pro|-minimal|-accelerator)?-(?:[a-z]+-)?(\d{4})/, ([, version]) => `ubuntu-${version}`],
  [/^cos(?:-.*)?$/, ([name]) => name],
  [/^windows(?:-.*)?$/, ([name]) => name],
  [
    /^(rhel|centos-stream|centos|rocky-linux|almalinux|oracle-linux|sles|opensuse-leap)-(?:[a-z]+-)?(\d+)/,
    ([, family, version]) => `${family}-${version}`,
  ],
  [/^(fedora-coreos)/, ([, family]) => String(family)],
];

/** Such as `debian-12`, `ubuntu-2204`, `cos`, `windows-server-2022-dc`; else the last licence's word; `unknown` without any. */
export function operatingSystemOf(licenses: readonly string[]): string {
  for (const [pattern, name] of FAMILIES) {
    for (const license of licenses) {
      const match = pattern.exec(license);
      if (match !== null) return name(match);
    }
  }
  return licenses.at(-1) ?? 'unknown';
}
