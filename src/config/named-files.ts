/** Opens the files that an environment's file names: its list of hosts, and the one with Prometheus' URL. */
import type { PathBase } from './paths.ts';
import { expandPath } from './paths.ts';
import { fault, type Problem } from './problem.ts';
import { MAX_INVENTORY_BYTES, readText } from './read-file.ts';
import type { EnvironmentWritten, HostWritten } from './schema/environment.ts';
import { whyNoBaseUrl } from './schema/parts.ts';
import { readHostsText } from './written.ts';
import type { YamlFile } from './yaml-file.ts';

/** What a file's text says, or why there is none. */
export type Opened<T> =
  | { readonly kind: 'read'; readonly value: T }
  | { readonly kind: 'not-there' | 'wrong'; readonly problems: readonly Problem[] };

export async function hostsOf(
  written: EnvironmentWritten,
  yaml: YamlFile,
  base: PathBase,
): Promise<Opened<readonly HostWritten[]>> {
  if (written.inventory.kind !== 'static') return { kind: 'read', value: [] };
  if (written.inventory.file === undefined) return { kind: 'read', value: written.inventory.hosts ?? [] };
  const opened = await openNamed({
    yaml,
    base,
    path: ['inventory', 'file'],
    named: written.inventory.file,
    what: 'the list of hosts',
  });
  if (opened.kind !== 'read') return opened;
  const { file, text } = opened.value;
  const hosts = readHostsText(file, text, written.ssh.port);
  return hosts.written === null
    ? { kind: 'wrong', problems: hosts.problems }
    : { kind: 'read', value: hosts.written };
}

export async function prometheusUrlOf(
  written: EnvironmentWritten,
  yaml: YamlFile,
  base: PathBase,
): Promise<Opened<string>> {
  const { url, urlFile } = written.prometheus ?? {};
  if (urlFile === undefined) return { kind: 'read', value: url ?? '' };
  const path = ['prometheus', 'urlFile'];
  const opened = await openNamed({ yaml, base, path, named: urlFile, what: "the file with Prometheus' URL" });
  if (opened.kind !== 'read') return opened;
  const line = opened.value.text.split('\n', 1)[0]?.trim() ?? '';
  const why = whyNoBaseUrl(line);
  if (why === null) return { kind: 'read', value: line };
  return {
    kind: 'wrong',
    problems: [yaml.problem(fault(path, `the first line of ${opened.value.file}: ${why}`))],
  };
}

interface Named {
  readonly yaml: YamlFile;
  readonly base: PathBase;
  readonly path: readonly string[];
  readonly named: string;
  readonly what: string;
}

async function openNamed({
  yaml,
  base,
  path,
  named,
  what,
}: Named): Promise<Opened<{ file: string; text: string }>> {
  const file = expandPath(named, base);
  const text = await readText(file, MAX_INVENTORY_BYTES);
  if (text.ok) return { kind: 'read', value: { file, text: text.value } };
  const missing = text.error.kind === 'not-there';
  if (!missing)
    return {
      kind: 'wrong',
      problems: [yaml.problem(fault(path, `${what}, ${file}: ${text.error.message}`))],
    };
  const message = isOfSandbox(named)
    ? `the sandbox is not running: start it with \`rollout sandbox up\` (${file} does not exist)`
    : `${what} does not exist: ${file}`;
  return { kind: 'not-there', problems: [yaml.problem(fault(path, message, { found: named }))] };
}

/** A path as it is written that is there while the sandbox runs. */
export function isOfSandbox(named: string): boolean {
  return named.startsWith('${state}/sandbox/');
}
