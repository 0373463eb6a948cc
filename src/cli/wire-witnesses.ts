/** Wires the other witnesses of an environment; nobody is asked before a gate does. */
import { systemClock } from '../adapters/clock/system-clock.ts';
import { commandWitness } from '../adapters/command-witness/command-witness.ts';
import { fleetWitness } from '../adapters/fleet-manager/fleet-witness.ts';
import { lokiWitness } from '../adapters/loki/loki-witness.ts';
import { osctrlWitness } from '../adapters/osctrl/osctrl-witness.ts';
import { secretReader } from '../adapters/secrets/secret-reader.ts';
import { webhookWitness } from '../adapters/webhook-witness/webhook-witness.ts';
import type { Environment } from '../domain/environment.ts';
import type { WitnessSettings } from '../domain/witness.ts';
import type { EngineContext } from '../engine/context.ts';
import type { Witness } from '../ports/witness.ts';
import type { Invocation } from './invocation.ts';

export function wireWitnesses(
  { witnesses }: Environment,
  { env }: Invocation,
): Pick<EngineContext, 'witnesses'> {
  if (witnesses === undefined) return {};
  const all = Object.entries(witnesses);
  return { witnesses: new Map(all.map(([name, settings]) => [name, wireWitness(name, settings, env)])) };
}

function wireWitness(name: string, settings: WitnessSettings, env: Invocation['env']): Witness {
  const clock = systemClock;
  const secrets = secretReader(env);
  switch (settings.kind) {
    case 'loki':
      return lokiWitness({ settings, name, secrets, clock });
    case 'osctrl':
      return osctrlWitness({ settings, name, secrets, clock });
    case 'fleet':
      return fleetWitness({ settings, name, secrets, clock });
    case 'command':
      return commandWitness({ settings, name, env, clock });
    case 'webhook':
      return webhookWitness({ settings, name, secrets, clock });
    default:
      return settings satisfies never;
  }
}
