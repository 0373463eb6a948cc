/** How host programs are run on hosts. */
import type { HostOrder, HostStep } from '../domain/host-order.ts';
import type { NoAnswerKind } from '../domain/host-outcome.ts';
import type { Result } from '../domain/result.ts';

/** Where to connect. */
export interface RemoteHost {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  readonly port?: number;
  /** Where the cloud knows it; absent for hosts of a list. */
  readonly zone?: string;
  readonly project?: string;
}

/** What a host fetches. The URL may be a secret: it goes neither into argv nor logs, journal or errors. */
export interface FetchRequest {
  readonly url: string;
  /** `vm-service-account`: with a token that the host gets from its own metadata server. */
  readonly authorization: 'in-url' | 'vm-service-account';
}

/** How a package's bytes reach a host. */
export type PackageSource =
  /** Sent over SFTP on the same connection. `open` may be called once a host. */
  | {
      readonly kind: 'bytes';
      readonly sha256: string;
      readonly size: number;
      readonly open: () => AsyncIterable<Uint8Array>;
    }
  /** Fetched by the host. `request` is called once a host, at the moment of use; its error is a sentence. */
  | {
      readonly kind: 'url';
      readonly sha256: string;
      readonly size: number;
      readonly request: () => Promise<Result<FetchRequest, string>>;
    };

export interface RemoteJob {
  readonly order: HostOrder;
  /** Packages that the order needs; what the host already keeps is not sent again. */
  readonly packages: readonly PackageSource[];
  /** For the whole attempt, ms. */
  readonly timeoutMs: number;
  /** Told of every answered line as it arrives. */
  readonly onStep?: (step: HostStep) => void;
}

export type RemoteAnswer =
  /** The program ran and ended with an exit status. */
  | {
      readonly kind: 'answered';
      readonly exitCode: number;
      readonly steps: readonly HostStep[];
      /** Last 2,000 characters of stderr. */
      readonly stderr: string;
    }
  | { readonly kind: 'no-answer'; readonly why: NoAnswerKind; readonly message: string };

/** Runs host programs on hosts. Bounds its own concurrency; answers exactly once a call and never rejects. */
export interface Remote {
  run(host: RemoteHost, job: RemoteJob, signal?: AbortSignal): Promise<RemoteAnswer>;
  /** Closes what is open. */
  close(): Promise<void>;
}
