/** Are there credentials, whose are they, and does nobody else on this machine read them. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { broken, brokenAs, doubtful, type Finding, fine, type SelfCheck } from '../../../ports/self-check.ts';
import { readServiceAccountKey } from '../key-file.ts';
import { principalOf } from '../principal.ts';
import type { GoogleAsker } from './ask.ts';

export interface CredentialCheckOptions {
  readonly asker: GoogleAsker;
  /** What they are used for, such as `inventory and journal`. */
  readonly usedFor: string;
  /** Where the Application Default Credentials would lie, in the order in which they are looked for. */
  readonly defaultFiles: readonly string[];
}

const LOGIN = 'gcloud auth application-default login';

/** Paths where the library looks for a person's default credentials. */
export function defaultCredentialFiles(
  env: Readonly<Record<string, string | undefined>>,
  home: string,
): string[] {
  const named = env.GOOGLE_APPLICATION_CREDENTIALS;
  const folder = env.CLOUDSDK_CONFIG ?? join(home, '.config', 'gcloud');
  return [
    ...(named === undefined || named === '' ? [] : [named]),
    join(folder, 'application_default_credentials.json'),
  ];
}

export function credentialCheck({ asker, usedFor, defaultFiles }: CredentialCheckOptions): SelfCheck {
  const { keyFile, impersonate } = asker.access.credentials;
  const what = `for ${usedFor}`;
  return {
    area: 'credentials',
    what,
    whenSilent: "look at this machine's way to oauth2.googleapis.com and, on a VM, to its metadata server",
    async run() {
      const files = keyFile === undefined ? await firstThatIsThere(defaultFiles) : [keyFile];
      const readable = (await Promise.all(files.map(readableByOthers))).flat();
      const signed = await asker.signedIn();
      if (!signed.ok) return [brokenAs(what, signed.error, LOGIN), ...readable];
      const [from = 'the metadata server or the environment'] = files;
      const email = await principalOf(signed.value);
      const who = email.ok ? email.value : 'an account that Google does not name';
      const way = impersonate === undefined ? `from ${from}` : `impersonated by way of ${from}`;
      return [fine(what, `${who}, ${way}; a token was given`), ...readable];
    },
  };
}

/** Is a key file there, whole, and for nobody else; asks nobody. */
export function keyFileCheck(keyFile: string, usedFor: string): SelfCheck {
  const what = `for ${usedFor}`;
  return {
    area: 'credentials',
    what,
    whenSilent: 'look at credentials.keyFile: is the file on a network drive?',
    async run() {
      const [key, open] = await Promise.all([readServiceAccountKey(keyFile), readableByOthers(keyFile)]);
      return key.ok
        ? [
            fine(what, `${keyFile} is a key of ${key.value.email}; nobody was asked whether it is good`),
            ...open,
          ]
        : [brokenAs(what, key.error, `look at ${keyFile}`), ...open];
    },
  };
}

async function firstThatIsThere(files: readonly string[]): Promise<string[]> {
  for (const file of files) if ((await stat(file).catch(() => null)) !== null) return [file];
  return [];
}

/** A key that others on the machine can read is theirs too. */
async function readableByOthers(file: string): Promise<Finding[]> {
  const found = await stat(file).catch(() => null);
  if (found === null) return [];
  const mode = found.mode & 0o777;
  if ((mode & 0o077) === 0) return [fine('file of the key', `${file} is for its owner alone`)];
  const text = `${file} has mode 0${mode.toString(8)}: others on this machine can use it`;
  const mend = `chmod 600 ${file}`;
  return [
    (mode & 0o002) === 0 ? doubtful('file of the key', text, mend) : broken('file of the key', text, mend),
  ];
}
