/**
 * One random life of a rollout, made from a seed: a fleet, a version, operators, failures, killed processes. Then everything
 * is mended and the rollout must come to a lawful end. Says what broke DESIGN's invariants; the numbers are theirs.
 *
 * V1  The same seed gives the same life, so that a failure can be looked at again: SIM_SEED=n npx vitest run test/engine/simulation
 */

import type { Host } from '../../src/domain/host.ts';
import type { HostOutcome } from '../../src/domain/host-outcome.ts';
import type { EntryBody } from '../../src/domain/journal.ts';
import type { RolloutPolicy } from '../../src/domain/policy.ts';
import type { ContactFault } from '../fakes/fleet.ts';
import type { FleetHost, VersionBehaviour } from '../fakes/fleet-host.ts';
import { checkJournal } from './journal-checks.ts';
import { type Random, randomOf } from './random.ts';
import {
  ask,
  begin,
  carryOn,
  type Ended,
  type KillPlan,
  makeWorld,
  someHosts,
  somePolicy,
  type World,
} from './world.ts';

export interface Life {
  readonly seed: number;
  /** Phase it ended in, or why it never began. */
  readonly end: string;
  readonly violations: readonly string[];
  /** What was done to it, in order. */
  readonly trace: readonly string[];
  readonly entries: number;
  /** How many came into the fleet since the plan and have the version, or were listed as not covered. */
  readonly joined: number;
  readonly late: number;
}

/** Port calls that one process may make before it counts as turning in circles. */
const MOST_CALLS = 4_000;

/** Rounds of `advance` in which a mended world must come to its end. */
const MOST_ROUNDS = 60;

const CONTACT_FAULTS: readonly [ContactFault, ...ContactFault[]] = [
  'unreachable',
  'denied',
  'sudo-refused',
  'delivery-failed',
  'cut-before',
  'cut-after',
  'too-slow',
  'reboot',
];

export async function simulate(seed: number): Promise<Life> {
  const random = randomOf(seed);
  const stage = new Stage(seed, random);
  try {
    return await stage.live();
  } catch (cause) {
    stage.say(`threw ${(cause as Error).stack ?? String(cause)}`);
    return stage.life('threw');
  }
}

class Stage {
  readonly #seed: number;
  readonly #random: Random;
  readonly #world: World;
  readonly #wrong = new Set<string>();
  readonly #trace: string[] = [];
  readonly #inFlight = new Map<string, number>();
  readonly #stoppedBefore = new Set<string>();
  readonly #spoilt = new Set<string>();
  readonly #absentAtEnd = new Set<string>();
  /** Not in the inventory at some time. */
  readonly #everOut = new Set<string>();
  /** Our clock has been set: what armed hosts are thought to have left is wrong by that. */
  #hasJumped = false;
  /** The agent of those who came into being. */
  readonly #bornWith = new Map<string, 'old' | 'new' | 'none'>();
  #faultRate = 0;
  #isMended = false;
  /** Nothing further goes wrong while nobody comes: what is seen is whether hosts come back by themselves. */
  #isAlone = false;

  constructor(seed: number, random: Random) {
    this.#seed = seed;
    this.#random = random;
    const count = random.chance(0.15) ? random.whole(12, 30) : random.whole(3, 10);
    const roles = ['web', 'db', 'git', 'ci'].slice(0, random.whole(1, 4));
    this.#world = makeWorld({
      hosts: someHosts(count, roles).map((host) => ({ ...host, spot: random.chance(0.2) })),
      // Of a stream of its own, so that lives without it are as they were.
      policy: { ...somePolicyOf(random), ...someTimer(randomOf(seed + 1_000_000)) },
      behaviour: someBehaviour(random),
      inCloud: true,
    });
    this.#watch();
  }

  say(what: string): void {
    this.#wrong.add(what);
  }

  life(end: string): Life {
    for (const one of checkJournal(this.#world.journal.entries)) this.say(one);
    return {
      seed: this.#seed,
      end,
      violations: [...this.#wrong],
      trace: this.#trace,
      entries: this.#world.journal.entries.length,
      joined: this.#newcomers((id) => this.#world.rollout().hosts.get(id)?.state === 'verified'),
      late: this.#newcomers((id) => !this.#world.rollout().hosts.has(id)),
    };
  }

  async live(): Promise<Life> {
    const { world } = this.#parts();
    for (const host of world.fleet.hosts.values()) {
      if (!this.#random.chance(0.08)) continue;
      host.stop();
      host.enabled = this.#random.chance(0.5);
      this.#stoppedBefore.add(host.host.id);
      this.#note(`${host.host.name} stopped by an operator`);
    }
    if (!(await this.#beginSomehow())) return this.life('never began');
    const rounds = this.#random.whole(1, 8);
    for (let round = 0; round < rounds && !this.#hasEnded(); round += 1) await this.#round();
    if (world.rollout().policy.armedRevert !== undefined && this.#random.chance(0.3) && !this.#hasEnded())
      await this.#leaveAlone();
    this.#mend();
    return this.life(await this.#toTheEnd());
  }

  /** Nobody comes for long: whoever is armed goes back by itself, and whoever was changed without ever being confirmed has. */
  async #leaveAlone(): Promise<void> {
    const { world, clock, fleet } = this.#parts();
    const { armedRevert, limits } = world.rollout().policy;
    const afterMs = armedRevert?.afterMs ?? 0;
    this.#note('nobody comes any more');
    this.#isAlone = true;
    for (const { trouble } of fleet.hosts.values()) delete trouble.dpkgLocked;
    await clock.advance(2 * afterMs + limits.hostDeadlineMs + 300_000);
    for (const { host, armed, onDisk } of fleet.hosts.values()) {
      if (armed.isPending) this.say(`${host.name} is left to itself and does not go back`);
      if (armed.state?.kind === 'went-back' && onDisk !== world.artifacts.old.executable.sha256)
        this.say(`${host.name} says that it has gone back, and has not`);
    }
  }

  #newcomers(are: (id: string) => boolean): number {
    return [...(this.#world.state().rollout?.newcomers ?? [])].filter(are).length;
  }

  #parts(): { world: World; clock: World['clock']; fleet: World['fleet'] } {
    return { world: this.#world, clock: this.#world.clock, fleet: this.#world.fleet };
  }

  #isUnlisted(zone: string): boolean {
    const { inventoryFails, unknownZones } = this.#world.fleet;
    return inventoryFails || unknownZones.has(zone);
  }

  #note(what: string): void {
    this.#trace.push(`${Math.round(this.#world.clock.elapsedMs / 1000)}s ${what}`);
  }

  /** Invariants that only show at the moment itself: 1, 7. */
  #watch(): void {
    const { world, fleet } = this.#parts();
    fleet.faults = (contact) => {
      if (!this.#random.chance(this.#faultRate)) return null;
      const fault = this.#random.pick(CONTACT_FAULTS);
      this.#note(`${fault} at h${contact.id} (${contact.program})`);
      if (fault === 'reboot') this.#spoilt.add(contact.id);
      return fault;
    };
    fleet.onContact = ({ id, order, program, process }) => {
      if (order.program !== 'upgrade' && order.program !== 'revert' && order.program !== 'confirm') return;
      const intent = world.journal.entries[order.fence - 1]?.body;
      const action = order.program === 'confirm' ? order.verb : program;
      if (intent?.kind !== 'hosts-intended' || intent.action !== action || !intent.hosts.includes(id))
        this.say(`h${id} was touched (${action}) without a durable intent (1)`);
      if (order.instanceId !== id) this.say(`h${id} was not asked who it is`);
      const key = `${process} ${id}`;
      const others = this.#inFlight.get(key) ?? 0;
      if (others > 0) this.say(`h${id} was touched twice at once (1)`);
      this.#inFlight.set(key, others + 1);
    };
    fleet.onAnswer = ({ id, order, process }) => {
      if (order.program !== 'upgrade' && order.program !== 'revert' && order.program !== 'confirm') return;
      const key = `${process} ${id}`;
      this.#inFlight.set(key, (this.#inFlight.get(key) ?? 1) - 1);
      if ((fleet.hosts.get(id)?.atWork ?? 0) > 1) this.say(`two programs at work on h${id} (1)`);
    };
    this.#seesWhatItJudges();
    world.onDurable = ({ body }, pid) => {
      if (body.kind === 'wave-passed' || body.kind === 'rollout-done') this.#claims();
      this.#knowsItsFleet(body, pid);
      const now = world.clock.now();
      if (body.kind === 'wave-started' && world.freeze.some(({ from, until }) => from <= now && now < until))
        this.say('a wave began in a freeze');
      if (body.kind !== 'rolled-back') return;
      for (const id of [...fleet.vanished, ...fleet.deleted]) this.#absentAtEnd.add(id);
      // Nobody can see the return of a VM that the inventory cannot list.
      for (const [id, host] of world.rollout().hosts)
        if (host.state === 'gone' && this.#isUnlisted(host.host.zone)) this.#absentAtEnd.add(id);
    };
    const push = world.events.push.bind(world.events);
    world.events.push = (...events) => {
      for (const event of events) {
        if (event.kind === 'host-answered') this.#believes(event.host.id, event.outcome);
      }
      return push(...events);
    };
  }

  /** No judgement over a host that has gone back by then. */
  #seesWhatItJudges(): void {
    const { world, clock, fleet } = this.#parts();
    const range = world.metrics.range.bind(world.metrics);
    world.metrics.range = (query) => {
      const at = clock.others.now() - somePolicy.sampleDelayMs;
      const asked = /=~"([^"]*)"/.exec(query.query)?.[1]?.split('|') ?? [];
      for (const name of this.#hasJumped ? [] : asked) {
        const host = fleet.named(name);
        if (host?.armed.state?.kind === 'went-back' && host.armed.state.at <= at)
          this.say(`${name} is judged and has gone back before`);
      }
      return range(query);
    };
  }

  /** Who passes as proven has the version, and keeps it. */
  #claims(): void {
    const { world, fleet } = this.#parts();
    const { kind, keep, hosts } = world.rollout();
    if (kind === 'canary' && !keep) return;
    for (const [id, { state, host }] of hosts) {
      const { armed, onDisk } = fleet.hosts.get(id) ?? {};
      if (state !== 'verified' || armed === undefined) continue;
      if (armed.isPending) this.say(`${host.name} has passed and would go back by itself`);
      if (onDisk !== world.artifacts.fresh.executable.sha256)
        this.say(`${host.name} has passed without the version`);
    }
  }

  /** Nobody who is there counts as gone, and nobody who has come is forgotten. */
  #knowsItsFleet(body: EntryBody, pid: number): void {
    const { world } = this.#parts();
    if (body.kind === 'hosts-answered') {
      for (const { id, outcome } of body.hosts)
        if (outcome.kind === 'gone' && !this.#everOut.has(id))
          this.say(`h${id} counts as gone and was never away`);
    }
    if (body.kind !== 'rollout-done') return;
    const rollout = world.rollout();
    if (rollout.kind === 'canary') return;
    const known = new Set([...rollout.hosts.keys(), ...rollout.leftOut.map(({ id }) => id)]);
    for (const id of world.listings.get(pid) ?? []) {
      if (!known.has(id)) this.say(`h${id} has come into the fleet and is nowhere`);
    }
    for (const { id } of rollout.leftOut.filter((one) => one.why.kind === 'born-late')) {
      if (!body.notCovered.includes(id)) this.say(`h${id} was born late and is not named`);
    }
  }

  /** 7: what counts as proven is what truly runs there now. */
  #believes(id: string, outcome: HostOutcome): void {
    const { world, fleet } = this.#parts();
    const host = fleet.hosts.get(id);
    const { old, fresh } = world.artifacts;
    if (outcome.kind === 'went-back' && host?.onDisk !== old.executable.sha256)
      this.say(`h${id} counts as gone back and has another version (7)`);
    if (
      outcome.kind === 'confirmed' &&
      (host?.armed.isPending === true || host?.onDisk !== fresh.executable.sha256)
    )
      this.say(`h${id} counts as confirmed and is not`);
    if (outcome.kind !== 'verified' && outcome.kind !== 'reverted') return;
    const expected = (outcome.kind === 'verified' ? fresh : old).executable.sha256;
    const found = outcome.service === 'running' ? host?.running : host?.onDisk;
    if (found !== expected) this.say(`h${id} counts as ${outcome.kind} and runs something else (7)`);
  }

  async #beginSomehow(): Promise<boolean> {
    const { world, clock } = this.#parts();
    const kind = this.#random.chance(0.15) ? 'canary' : 'deploy';
    const keep = kind === 'canary' && this.#random.chance(0.3);
    for (let attempt = 0; attempt < 5; attempt += 1) {
      this.#faultRate = attempt < 3 && this.#random.chance(0.3) ? 0.02 : 0;
      const disturbances = this.#disturb(attempt === 0 && this.#random.chance(0.5));
      const process = world.process(this.#killPlan(0.25));
      const end = await clock.run(begin(process, { kind, keep }, this.#how()), 6 * 3_600_000);
      this.#note(`${kind} -> ${this.#describe(end)}`);
      disturbances();
      if (world.state().rollout !== null) return true;
      await clock.advance(35_000);
    }
    return false;
  }

  async #round(): Promise<void> {
    const { world, clock } = this.#parts();
    this.#faultRate = this.#random.pick([0, 0, 0.02, 0.1, 0.4]);
    if (this.#random.chance(0.25)) await clock.run(this.#operate());
    const calm = this.#disturb(this.#random.chance(0.6));
    const first = world.process(this.#killPlan(0.4));
    const runs = [carryOn(first, this.#how())];
    if (this.#random.chance(0.2)) {
      // A partition: the lease's keeper takes the first for dead while it still works.
      const usurps = this.#random.chance(0.5);
      const second = world.process(this.#killPlan(0.2));
      const wait = this.#random.whole(0, 30_000);
      runs.push(
        (async () => {
          await clock.sleep(wait);
          if (usurps) world.leases.kill(first.pid);
          this.#note(`a second runner${usurps ? ', who takes the lease from a live one' : ''}`);
          return carryOn(second, this.#how());
        })(),
      );
    }
    if (this.#random.chance(0.2)) {
      clock.after(this.#random.whole(0, 90_000), () => {
        void this.#operate();
      });
    }
    const ends = await clock.run(Promise.all(runs), 6 * 3_600_000);
    this.#note(ends.map((end) => this.#describe(end)).join(' | '));
    calm();
    await clock.advance(
      this.#random.pick([1_000, 5_000, 35_000, 60_000]) *
        (world.rollout().policy.armedRevert !== undefined && this.#random.chance(0.2) ? 7 : 1),
    );
  }

  #how(): { mode: 'foreground' | 'advance'; holdLimitMs: number; signal: AbortSignal } {
    const stop = new AbortController();
    if (this.#random.chance(0.15)) this.#world.clock.after(this.#random.whole(0, 60_000), () => stop.abort());
    return {
      mode: this.#random.chance(0.5) ? 'foreground' : 'advance',
      holdLimitMs: 90_000,
      signal: stop.signal,
    };
  }

  #killPlan(probability: number): KillPlan {
    const at = this.#random.chance(probability) ? this.#random.whole(1, 60) : -1;
    const when = this.#random.chance(0.5) ? ('before' as const) : ('after' as const);
    return (call, count) => {
      if (count > MOST_CALLS) {
        this.say(`turns in circles: ${MOST_CALLS} port calls by one process`);
        return 'before';
      }
      if (count !== at) return null;
      this.#note(`killed ${when} ${call}`);
      return when;
    };
  }

  async #operate(): Promise<void> {
    if (this.#isMended) return;
    const kind = this.#random.pick([
      'pause',
      'pause',
      'resume',
      'resume',
      'approve',
      'abort',
      'rollback',
    ] as const);
    if (kind === 'abort' && this.#random.chance(0.6)) return;
    if (kind === 'rollback' && this.#random.chance(0.4)) return;
    const answer = await ask(this.#world, kind);
    this.#note(`operator: ${kind} -> ${answer.ok ? 'taken' : answer.error.code}`);
  }

  /** Things that go wrong for a while; what is returned ends those that do not last. */
  #disturb(really: boolean): () => void {
    if (!really) return () => undefined;
    const { world, clock, fleet } = this.#parts();
    const random = this.#random;
    const hosts = [...fleet.hosts.values()] as [FleetHost, ...FleetHost[]];
    const ends: (() => void)[] = [];
    const happen = (name: string, what: () => void, until?: () => void): void => {
      clock.after(random.whole(0, 60_000), () => {
        if (this.#isMended || this.#isAlone) return;
        this.#note(name);
        what();
      });
      if (until !== undefined) ends.push(until);
    };
    for (let times = random.whole(1, 3); times > 0; times -= 1) {
      const host = random.pick(hosts);
      const { id, name } = host.host;
      switch (random.whole(0, 20)) {
        case 0:
          happen(`${name} vanishes`, () => {
            this.#everOut.add(id);
            fleet.vanished.add(id);
          });
          break;
        case 1:
          happen('all return', () => fleet.vanished.clear());
          break;
        case 2:
          happen(`${name} is cut off`, () => fleet.cutOff.add(id));
          break;
        case 3:
          happen(`${name} reboots`, () => {
            this.#spoilt.add(id);
            host.reboot();
          });
          break;
        case 4:
          happen(`${name}: dpkg locked`, () => {
            host.trouble.dpkgLocked = true;
          });
          break;
        case 5:
          happen(`${name}: disk full`, () => {
            host.trouble.diskFull = true;
          });
          break;
        case 6:
          happen('metrics fail', () => {
            world.metrics.failure = { kind: 'unavailable', message: 'connection refused' };
          });
          ends.push(() => {
            if (random.chance(0.7)) world.metrics.failure = null;
          });
          break;
        case 7: {
          const hostsOut = random.chance(0.5) ? { hosts: [name] } : {};
          happen('a gap in the metrics', () => {
            world.gaps.push({
              from: clock.others.now() - 5_000,
              until: clock.others.now() + random.whole(5_000, 60_000),
              ...hostsOut,
            });
          });
          break;
        }
        case 8: {
          const jump = random.pick([-600_000, -30_000, 30_000, 600_000]);
          happen(`the clock jumps by ${jump / 1000} s`, () => {
            this.#hasJumped = true;
            clock.jumpWall(jump);
          });
          break;
        }
        case 9:
          happen('the inventory fails', () => {
            fleet.inventoryFails = true;
          });
          ends.push(() => {
            fleet.inventoryFails = false;
          });
          break;
        case 10:
          happen(`zone ${host.host.zone} is unknown`, () => fleet.unknownZones.add(host.host.zone));
          ends.push(() => fleet.unknownZones.clear());
          break;
        case 11:
          happen('the journal answers now and then', () => {
            world.journal.failBy((call) =>
              random.chance(0.15)
                ? ({
                    on: call.on,
                    kind: call.on === 'append' && random.chance(0.5) ? 'lost-reply' : 'unavailable',
                  } as never)
                : undefined,
            );
          });
          ends.push(() => world.journal.failBy(null));
          break;
        case 12:
          happen(`${name} lies`, () => {
            host.trouble.lies = true;
          });
          break;
        case 13:
        case 14:
        case 15: {
          const { zone, role } = host.host;
          happen('a VM is born', () => this.#bear({ zone, role }));
          break;
        }
        case 17: {
          const address = `10.1.${random.whole(0, 250)}.${random.whole(0, 250)}`;
          happen(`${name} is stopped and started, and is now at ${address}`, () => {
            this.#spoilt.add(id);
            Object.assign(host.host, { address });
            host.reboot();
          });
          break;
        }
        case 18: {
          const other = random.pick(hosts);
          happen(`${name} and ${other.host.name} change addresses`, () => {
            if (fleet.deleted.has(id) || fleet.deleted.has(other.host.id)) return;
            const { address } = host.host;
            Object.assign(host.host, { address: other.host.address });
            Object.assign(other.host, { address });
          });
          break;
        }
        case 19: {
          const ms = random.whole(10_000, 600_000);
          happen(`changes are frozen for ${Math.round(ms / 1000)} s`, () => {
            const from = world.clock.now();
            world.freeze.push({ from, until: from + ms, reason: 'a feast' });
          });
          break;
        }
        case 16:
          happen(`${name} is made anew`, () => {
            if (fleet.deleted.has(id)) return;
            this.#everOut.add(id);
            fleet.deleted.add(id);
            this.#bear({ ...host.host });
          });
          break;
        default:
          happen(`packages reach ${name} altered`, () => {
            host.trouble.alteredDelivery = true;
          });
      }
    }
    return () => {
      for (const end of ends) end();
    };
  }

  #bear(like: Partial<Host>): void {
    const { world, clock, fleet } = this.#parts();
    const random = this.#random;
    const id = `${fleet.hosts.size + 1}`;
    const [template] = someHosts(1);
    if (template === undefined) throw new Error('no template');
    const agent = random.pick(['old', 'old', 'old', 'new', 'none'] as const);
    const artifact = agent === 'new' ? world.artifacts.fresh : world.artifacts.old;
    const installed = { version: artifact.control.version, executable: artifact.executable.sha256 };
    const own = { name: `h${id}`, address: `10.0.9.${id}`, spot: random.chance(0.3) };
    const host = fleet.add({ ...template, ...own, ...like, id }, installed);
    this.#bornWith.set(id, agent);
    this.#note(`${host.host.name} is born as ${id}, agent: ${agent}`);
    if (agent === 'none') {
      host.stop();
      Object.assign(host, { packageState: 'absent', packageVersion: '', onDisk: '' });
    }
    if (!random.chance(0.4)) return;
    this.#note(`${host.host.name} boots`);
    fleet.cutOff.add(id);
    clock.after(random.whole(5_000, 90_000), () => fleet.cutOff.delete(id));
  }

  #mend(): void {
    const { world, fleet } = this.#parts();
    this.#note('all is mended');
    this.#isMended = true;
    this.#faultRate = 0;
    fleet.cutOff.clear();
    if (this.#random.chance(0.5)) fleet.vanished.clear();
    fleet.unknownZones.clear();
    fleet.inventoryFails = false;
    world.metrics.failure = null;
    world.journal.failBy(null);
    for (const { trouble } of fleet.hosts.values()) {
      for (const key of Object.keys(trouble)) delete trouble[key as keyof typeof trouble];
    }
  }

  #hasEnded(): boolean {
    const rollout = this.#world.state().rollout;
    const kind = rollout?.phase.kind;
    return (
      rollout?.rollbackRequested !== true && (kind === 'done' || kind === 'rolled-back' || kind === 'aborted')
    );
  }

  async #toTheEnd(): Promise<string> {
    const { world, clock } = this.#parts();
    for (let round = 0; round < MOST_ROUNDS && !this.#hasEnded(); round += 1) {
      const process = world.process((call, count) => {
        if (count > MOST_CALLS) this.say(`turns in circles: ${MOST_CALLS} port calls, the last ${call}`);
        return count > MOST_CALLS ? 'before' : null;
      });
      const end = await clock.run(carryOn(process, { mode: 'advance' }), 6 * 3_600_000);
      this.#note(this.#describe(end));
      if (end === 'killed') break;
      if (end.kind === 'held') await this.#help(end.reason.code, end.until, round);
      else await clock.advance(35_000);
    }
    if (!this.#hasEnded()) this.say(`no end after ${MOST_ROUNDS} rounds`);
    const end = world.state().rollout?.phase.kind ?? 'nothing';
    this.#checkEnd(end);
    return end;
  }

  /** What the operator does whom the rollout waits for. */
  async #help(code: string, until: number | null, round: number): Promise<void> {
    const { world, clock } = this.#parts();
    const { stop } = world.rollout();
    if (stop !== null) await ask(world, 'resume');
    else if (code === 'approval-needed' || code === 'no-witness') await ask(world, 'approve');
    else if (until === null || round === 40) {
      this.#note(`operator: rollback of a rollout held by ${code}`);
      await ask(world, 'rollback');
    }
    const ms = until === null ? 1_000 : Math.max(1_000, until - clock.now());
    await clock.advance(ms);
  }

  /** 3, 7, 8: what the fleet truly runs when all is over. */
  #checkEnd(end: string): void {
    const { world, fleet } = this.#parts();
    const rollout = world.rollout();
    const { old, fresh } = world.artifacts;
    for (const [id, { host, packageState, onDisk, activeState, running, armed }] of fleet.hosts) {
      const mayBeElsewhere = this.#absentAtEnd.has(id) || this.#spoilt.has(id);
      if (this.#stoppedBefore.has(id) && !this.#spoilt.has(id) && activeState === 'active')
        this.say(`${host.name} was stopped by an operator and runs (8)`);
      if (fleet.vanished.has(id) || fleet.deleted.has(id) || this.#absentAtEnd.has(id)) continue;
      if (end === 'rolled-back' && armed.isPending) this.say(`${host.name} is back and still armed`);
      if (end === 'done' && armed.isPending && rollout.hosts.get(id)?.state === 'verified')
        this.say(`${host.name} counts as done and would go back by itself`);
      const cameWithout = (this.#bornWith.get(id) ?? 'old') !== 'old';
      if (end === 'rolled-back' && !cameWithout) {
        if (packageState !== 'installed' || onDisk !== old.executable.sha256)
          this.say(`${host.name} was not put back (3)`);
        if (!mayBeElsewhere && !this.#stoppedBefore.has(id) && running !== old.executable.sha256)
          this.say(`${host.name} does not run the old version after the rollback (3)`);
      }
      const progress = rollout.hosts.get(id);
      if (rollout.phase.kind === 'done' && progress !== undefined && !rollout.phase.notCovered.includes(id)) {
        if (progress.state !== 'gone' && (packageState !== 'installed' || onDisk !== fresh.executable.sha256))
          this.say(`${host.name} counts as covered and has another version (7)`);
      }
    }
    if (end === 'rolled-back' && world.state().pin !== null) this.say('the pin did not go back (3)');
    if (end === 'rolled-back' && world.state().receipts.length > 0)
      this.say('a receipt outlived its rollback (6)');
  }

  #describe(end: Ended): string {
    if (end === 'killed') return 'killed';
    const reason = 'reason' in end ? ` (${end.reason.code})` : '';
    const message = end.kind === 'failed' ? ` (${end.message})` : '';
    return `${end.kind}${reason}${message}`;
  }
}

function somePolicyOf(random: Random): Partial<RolloutPolicy> {
  const bound = () =>
    random.chance(0.5)
      ? ({ kind: 'count', count: random.whole(1, 4) } as const)
      : ({ kind: 'percent', percent: random.pick([10, 25, 50, 100]) } as const);
  return {
    waves: {
      strata: random.pick<RolloutPolicy['waves']['strata']>([['role'], ['role', 'zone'], []]),
      then: random.pick<RolloutPolicy['waves']['then']>([
        [],
        [{ kind: 'percent', percent: 50 }],
        [
          { kind: 'percent', percent: 20 },
          { kind: 'percent', percent: 60 },
        ],
        [{ kind: 'count', count: 2 }],
      ]),
      maxUnavailable: { environment: bound(), zone: bound(), role: bound() },
    },
    limits: {
      ...somePolicy.limits,
      failedHosts: random.pick([0, 0, 1, 2]),
      unreachableHosts: random.pick([0, 0, 1, 2]),
    },
    soakMs: random.pick([0, 15_000, 30_000]),
    bakeMs: random.pick([0, 20_000, 60_000]),
    approval: random.chance(0.2) ? 'after-canary' : 'none',
  };
}

function someTimer(random: Random): Pick<RolloutPolicy, 'armedRevert'> {
  if (!random.chance(0.5)) return {};
  const afterMs = random.pick([60_000, 120_000, 300_000, 1_800_000]);
  return { armedRevert: { afterMs, disarm: random.chance(0.25) ? 'after-proof' : 'after-soak' } };
}

function someBehaviour(random: Random): Omit<VersionBehaviour, 'version'> {
  const only = random.chance(0.3) ? { only: (name: string) => Number(name.slice(1)) % 3 === 0 } : {};
  switch (random.whole(0, 11)) {
    case 0:
      return { cpu: 0.5, ...only };
    case 1:
      return { startFails: true, ...only };
    case 2:
      return { installFails: true, ...only };
    case 3:
      return { diesAfterMs: random.whole(4_000, 60_000), ...only };
    case 4:
      return { crashLoops: true, ...only };
    default:
      return {};
  }
}
