/** An environment's file, resolved: what the engine and the wiring need to know. Paths are absolute. */
import type { GceInventorySettings, GcsArtifacts, GcsPlace } from './cloud.ts';
import type { PrometheusSettings, SshSettings } from './connection.ts';
import type { Host } from './host.ts';
import type { LifecycleSettings } from './lifecycle.ts';
import type { MaintenanceWindow } from './maintenance.ts';
import type { FreezeWindow, RolloutPolicy } from './policy.ts';
import type { ProbeSettings } from './probe-settings.ts';
import type { WitnessSettings } from './witness.ts';

/** An expression of the targeting language, such as `role == "web" and zone in ["us-east1-b"]`, checked when it was read. */
export type ExpressionText = string;

export interface Targeting {
  /** A host that this does not match is not of this fleet. */
  readonly include: ExpressionText;
  /** Need not have the agent, by an operator's word. */
  readonly exempt: readonly {
    readonly when: ExpressionText;
    readonly reason: string;
    /** End of the exemption, ms since the epoch; from then on it counts no more. */
    readonly until: number;
  }[];
  /** Must have it although a built-in rule is unsure. */
  readonly eligible: readonly { readonly when: ExpressionText; readonly reason: string }[];
}

export interface StaticInventorySettings {
  readonly kind: 'static';
  readonly hosts: readonly Host[];
  /** The list's own file, absolute; absent where the hosts stand in the environment's file. */
  readonly file?: string;
}

/** Whether what changes an environment names its change request, and what a reference looks like (a regular expression). */
export interface ChangeRule {
  readonly required: boolean;
  readonly pattern?: string;
}

export interface Environment {
  readonly name: string;
  readonly description: string;
  /** File it was read from, absolute. */
  readonly file: string;
  /** The environment whose receipt a promotion needs; null: deployed to directly. */
  readonly promotesFrom: string | null;
  readonly inventory: StaticInventorySettings | GceInventorySettings;
  readonly artifacts: { readonly kind: 'local'; readonly path: string } | GcsArtifacts;
  readonly journal: { readonly kind: 'local'; readonly path: string } | GcsPlace;
  /** Debian architectures that a release must be staged for here, such as `amd64`; never empty. */
  readonly architectures: readonly string[];
  readonly ssh: SshSettings;
  /** With an empty URL where the file has none: then no gate asks a query. */
  readonly prometheus: PrometheusSettings;
  /** Who else is asked, by a name that gates use; absent: nobody. */
  readonly witnesses?: Readonly<Record<string, WitnessSettings>>;
  /** Absent: DEFAULT_PROBE. */
  readonly probe?: ProbeSettings;
  readonly targeting: Targeting;
  /** Share of the VMs that must have the agent which must be proven to have it, percent; below it `coverage` fails. */
  readonly coverageTarget: number;
  readonly policy: RolloutPolicy;
  readonly lifecycle: LifecycleSettings;
  readonly freeze: readonly FreezeWindow[];
  /** Times in which waves may begin; absent or empty: always. */
  readonly maintenance?: readonly MaintenanceWindow[];
  /** What a change reference must be; absent: none is needed, any is taken. */
  readonly change?: ChangeRule;
  /** `type-name`: a change asks for the environment's name to be typed; `yes-no`: for a yes. */
  readonly confirm: 'type-name' | 'yes-no';
}
