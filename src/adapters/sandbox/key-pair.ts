/** Key pairs in OpenSSH's format, for hosts and for the one client. */
import ssh2 from 'ssh2';

export interface KeyPair {
  readonly private: string;
  /** `type base64 comment`. */
  readonly public: string;
}

/** Of ssh2 1.17's ed25519 keys about one in a hundred cannot be read back; so many in a row are out of the question. */
const MOST_TRIES = 50;

export function makeKeyPair(comment: string): KeyPair {
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519', { comment });
    const parsed = ssh2.utils.parseKey(pair.private);
    if (!(parsed instanceof Error)) return pair;
  }
  throw new Error('bug: no readable key pair could be made');
}
