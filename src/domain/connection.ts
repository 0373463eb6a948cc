/** How the outside is reached, resolved from an environment's file. Secrets are named here, never held. */

/** Where a secret is to be read at the moment of use. */
export type SecretRef =
  | { readonly kind: 'env'; readonly name: string }
  | { readonly kind: 'file'; readonly path: string };

export interface SshSettings {
  /** Empty where `osLogin` says who it is. */
  readonly user: string;
  /** The user name is that of the OS Login profile of the inventory's credentials. */
  readonly osLogin: boolean;
  /** Default 22; a host's own port wins. */
  readonly port: number;
  /** Private keys, absolute paths; a `-cert.pub` beside one is offered first, if ssh2 can. */
  readonly identityFiles: readonly string[];
  /** Passphrase of the identity files. */
  readonly passphrase?: SecretRef;
  /** Use the agent that SSH_AUTH_SOCK names. */
  readonly agent: boolean;
  /** known_hosts files, absolute paths. Host keys are always checked. */
  readonly knownHosts: readonly string[];
  /** Jump hosts in order, as ssh_config's ProxyJump. */
  readonly jump: readonly { readonly user: string; readonly host: string; readonly port: number }[];
  /**
   * Program whose stdin and stdout are the connection, word by word, never through a shell; empty: none. `{name}`, `{id}`,
   * `{address}`, `{port}`, `{zone}`, `{project}`, `{user}` are filled in. Not together with `jump`.
   */
  readonly proxyCommand: readonly string[];
  /** Until the SSH handshake is done, ms. */
  readonly connectTimeoutMs: number;
  /** For one program, ms. */
  readonly commandTimeoutMs: number;
  /** Without any output, ms. */
  readonly idleTimeoutMs: number;
  /** Distance of keepalives, ms; three unanswered ones end the connection. */
  readonly keepaliveMs: number;
  /** Most connections at once; ramped up to, not started with. */
  readonly concurrency: number;
}

/** Who we are to a server over HTTP. */
export type HttpAuth =
  | { readonly kind: 'none' }
  | { readonly kind: 'bearer'; readonly token: SecretRef }
  | { readonly kind: 'basic'; readonly username: string; readonly password: SecretRef };

export interface PrometheusSettings {
  /** Base URL, without `/api/v1`. */
  readonly url: string;
  readonly auth: HttpAuth;
  /** PEM file of the authority to trust besides the system's. */
  readonly caFile?: string;
  readonly timeoutMs: number;
  /** Extra parameters of every query, such as Thanos' `partial_response=false`. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Of Mimir: whose series are asked, sent as X-Scope-OrgID; absent: no such header. */
  readonly tenant?: string;
  /** Label whose value names the host in a series, such as `fqdn` or `instance`. */
  readonly hostLabel: string;
  /** The label's value for a host; `{name}`, `{id}`, `{address}`, `{zone}`, `{role}` are filled in. */
  readonly hostValue: string;
  /** Further label matchers of every selector, such as `env="gprd"`; may be empty. */
  readonly matchers: string;
}
