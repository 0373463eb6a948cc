/** What Compute Engine answers, as the library gives it: what is absent is null or empty. Only what is asked for here. */

export interface WarningAnswer {
  readonly code?: string | null;
  readonly message?: string | null;
}

interface AccessAnswer {
  readonly natIP?: string | null;
  readonly externalIpv6?: string | null;
}

export interface InstanceAnswer {
  /** Decimal text: it exceeds 2^53. */
  readonly id?: string | number | null;
  readonly name?: string | null;
  readonly zone?: string | null;
  readonly status?: string | null;
  readonly creationTimestamp?: string | null;
  readonly machineType?: string | null;
  readonly labels?: Readonly<Record<string, string>> | null;
  readonly tags?: { readonly items?: readonly string[] | null } | null;
  readonly metadata?: {
    readonly items?: readonly { readonly key?: string | null; readonly value?: string | null }[] | null;
  } | null;
  readonly scheduling?: {
    readonly preemptible?: boolean | null;
    readonly provisioningModel?: string | null;
  } | null;
  readonly networkInterfaces?:
    | readonly {
        readonly network?: string | null;
        readonly networkIP?: string | null;
        readonly ipv6Address?: string | null;
        readonly accessConfigs?: readonly AccessAnswer[] | null;
        readonly ipv6AccessConfigs?: readonly AccessAnswer[] | null;
      }[]
    | null;
  readonly disks?:
    | readonly { readonly boot?: boolean | null; readonly licenses?: readonly string[] | null }[]
    | null;
}

export interface AggregatedAnswer {
  readonly kind?: string | null;
  readonly items?: Readonly<
    Record<
      string,
      { readonly instances?: readonly InstanceAnswer[] | null; readonly warning?: WarningAnswer | null }
    >
  > | null;
  readonly nextPageToken?: string | null;
  readonly unreachables?: readonly string[] | null;
  readonly warning?: WarningAnswer | null;
}

export interface ListAnswer {
  readonly kind?: string | null;
  readonly items?: readonly InstanceAnswer[] | null;
  readonly nextPageToken?: string | null;
  readonly warning?: WarningAnswer | null;
}

export interface GuestAttributesAnswer {
  readonly queryValue?: {
    readonly items?:
      | readonly {
          readonly namespace?: string | null;
          readonly key?: string | null;
          readonly value?: string | null;
        }[]
      | null;
  } | null;
}
