/** Rules between the keys about how hosts are reached: who logs in, with what, and by which way. */
import { type Fault, fault } from './problem.ts';
import { readKey } from './schema-walk.ts';
import { has, isMap, listOf, notBoth } from './written-shape.ts';

export function sshFaults(written: unknown): Fault[] {
  const ssh = readKey(written, 'ssh');
  if (!isMap(ssh)) return [];
  const kind = readKey(readKey(written, 'inventory'), 'kind');
  return [
    ...notBoth(ssh, 'ssh', ['passphraseEnv', 'passphraseFile']),
    ...userFaults(ssh, kind),
    ...keyFaults(ssh),
    ...proxyFaults(ssh, kind),
  ];
}

/** Exactly one of `user` and `osLogin: true`. */
function userFaults(ssh: unknown, inventory: unknown): Fault[] {
  const osLogin = readKey(ssh, 'osLogin') === true;
  if (osLogin && has(ssh, 'user')) {
    const message = 'either user or osLogin, not both: OS Login says who it is';
    return [fault(['ssh', 'user'], message, { part: 'key' })];
  }
  if (osLogin && inventory === 'static') {
    const message =
      "OS Login is Google Cloud's; for hosts of a list the user is named with `user` (`inventory.kind: gce` would take it)";
    return [fault(['ssh', 'osLogin'], message, { part: 'key', allowed: ['user: NAME'] })];
  }
  if (osLogin || has(ssh, 'user')) return [];
  const allowed = inventory === 'gce' ? ['user: NAME', 'osLogin: true'] : ['user: NAME'];
  return [fault(['ssh'], 'nothing says which user to log in as', { part: 'key', allowed })];
}

function keyFaults(ssh: unknown): Fault[] {
  if (listOf(readKey(ssh, 'identityFiles')).length > 0 || readKey(ssh, 'agent') === true) return [];
  const allowed = ['identityFiles: [~/.ssh/id_ed25519]', 'agent: true'];
  const message = 'there is no way to log in: neither identityFiles nor agent';
  return [fault(['ssh'], message, { part: 'key', allowed })];
}

/** ssh_config's own places, as they stand in a ProxyCommand that somebody copied. */
const SSH_PLACES: Readonly<Record<string, string>> = {
  '%h': '{address}',
  '%n': '{name}',
  '%p': '{port}',
  '%r': '{user}',
  '%h:%p': '{address}:{port}',
};

function proxyFaults(ssh: unknown, inventory: unknown): Fault[] {
  const words = listOf(readKey(ssh, 'proxyCommand'));
  const [program] = words;
  const faults: Fault[] = [];
  if (program !== undefined && listOf(readKey(ssh, 'jump')).length > 0) {
    const message = 'either jump or proxyCommand, not both: they are two ways to the same host';
    faults.push(fault(['ssh', 'proxyCommand'], message, { part: 'key' }));
  }
  if (typeof program === 'string') faults.push(...programFaults(program));
  for (const [index, word] of words.entries()) {
    if (typeof word !== 'string') continue;
    const meant = SSH_PLACES[word];
    if (meant !== undefined) {
      const message = `\`${word}\` is filled in by ssh, not here`;
      faults.push(fault(['ssh', 'proxyCommand', index], message, { found: word, suggestion: meant }));
    }
    if (/\p{Cc}/u.test(word))
      faults.push(fault(['ssh', 'proxyCommand', index], 'a word has no control characters'));
    if (inventory === 'static' && word.includes('{project}')) {
      const message = 'hosts of a list have no project; write it out';
      faults.push(fault(['ssh', 'proxyCommand', index], message, { found: word }));
    }
  }
  return faults;
}

function programFaults(program: string): Fault[] {
  const path = ['ssh', 'proxyCommand', 0];
  if (/^[^/]*\s/.test(program)) {
    const message = 'this is one word, and there is no shell that would take it apart; write a list of words';
    const allowed = program.split(/\s+/).filter((word) => word !== '');
    return [fault(path, message, { found: program, allowed })];
  }
  if (!/[{}]/.test(program)) return [];
  const message = 'the first word is the program: it is written out, never filled in from an inventory';
  return [fault(path, message, { found: program, allowed: ['gcloud', '/usr/bin/nc'] })];
}
