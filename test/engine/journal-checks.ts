/**
 * Reads a journal from its beginning and says what in it breaks DESIGN's invariants. Knows nothing of fold.ts, decide.ts or
 * capacity.ts: it keeps its own account of every host, so that a mistake in those shows.
 */
import type { HostOutcome } from '../../src/domain/host-outcome.ts';
import type { AnsweredHost, Entry, HostAction } from '../../src/domain/journal.ts';
import type { PlannedHost } from '../../src/domain/plan.ts';
import type { Bound, RolloutPolicy } from '../../src/domain/policy.ts';

interface Account {
  readonly host: PlannedHost;
  readonly wave: number;
  /** The version may be on it, wholly or in part. */
  touched: boolean;
  touchedBefore: boolean;
  /** Out of service as far as the journal can know. */
  out: boolean;
  outBefore: boolean;
  proven: boolean;
  provenSeq: number;
  /** Settled without the version: left out, put back, gone. */
  aside: boolean;
  leftStopped: boolean;
  gone: boolean;
  /** The version failed on it; putting it back does not change that. */
  failed: boolean;
  /** It goes back by itself unless it is told otherwise. */
  armed: boolean;
  /** It has, and was not changed since. */
  wentBack: boolean;
}

const NOT_ACTED = new Set([
  'cancelled',
  'unreachable',
  'denied',
  'host-key-mismatch',
  'host-key-unknown',
  'sudo-refused',
  'delivery-failed',
]);

export function checkJournal(entries: readonly Entry[]): string[] {
  const wrong: string[] = [];
  let account: Ledger | null = null;
  let epoch = 0;
  for (const entry of entries) {
    const say = (what: string): void => {
      wrong.push(`entry ${entry.seq} (${entry.body.kind}): ${what}`);
    };
    if (entry.body.kind === 'lease-taken') epoch = entry.body.epoch;
    else if (entry.epoch !== undefined && entry.epoch < epoch)
      say(`written by epoch ${entry.epoch}, ${epoch} has the lease`);
    if (entry.body.kind === 'rollout-planned') account = new Ledger(entry);
    else account?.read(entry, say);
  }
  return wrong;
}

class Ledger {
  readonly #hosts = new Map<string, Account>();
  readonly #policy: RolloutPolicy;
  readonly #population: {
    environment: number;
    byZone: Record<string, number>;
    byRole: Record<string, number>;
  };
  #waves: number;
  readonly #plannedWaves: number;
  readonly #isCanary: boolean;
  readonly #isWayBack: boolean;
  readonly #isKept: boolean;
  #wave = -1;
  #passed = -1;
  #watching = false;
  #stopped = false;
  #over = false;
  #returning = false;
  #failVerdict = false;
  #observedMs = 0;
  #judgedTo = Number.NEGATIVE_INFINITY;
  #lastVerdict: string | null = null;
  #markSeq = 0;
  #approved = false;

  constructor(entry: Entry) {
    if (entry.body.kind !== 'rollout-planned') throw new Error('not a plan');
    const { plan, policy, rolloutKind } = entry.body;
    this.#policy = policy;
    this.#population = structuredClone(plan.population);
    this.#waves = plan.waves.length;
    this.#plannedWaves = plan.waves.length;
    this.#isCanary = rolloutKind === 'canary';
    this.#isKept = entry.body.keep === true;
    this.#isWayBack = rolloutKind === 'rollback';
    for (const wave of plan.waves) {
      for (const host of wave.hosts) this.#add(host, wave.index);
    }
  }

  #add(host: PlannedHost, wave: number): void {
    this.#hosts.set(host.id, {
      host,
      wave,
      touched: false,
      touchedBefore: false,
      out: false,
      outBefore: false,
      proven: false,
      provenSeq: 0,
      aside: false,
      leftStopped: false,
      gone: false,
      failed: false,
      armed: false,
      wentBack: false,
    });
  }

  read(entry: Entry, say: (what: string) => void): void {
    const body = entry.body;
    switch (body.kind) {
      case 'wave-started':
        if (this.#returning || this.#over) say('a wave after the rollback or the end (3)');
        if (this.#stopped) say('a wave while stopped');
        if (body.wentBack !== undefined) {
          if (body.wave !== this.#wave) say(`wave ${body.wave} begins again in wave ${this.#wave}`);
          for (const id of body.wentBack)
            if (!this.#account(id).wentBack) say(`h${id} has not gone back, as far as anybody has heard`);
          this.#passed = body.wave - 1;
        } else if (body.wave !== this.#passed + 1)
          say(`wave ${body.wave} before wave ${body.wave - 1} has passed`);
        this.#wave = body.wave;
        this.#watching = false;
        return;
      case 'hosts-joined':
        return this.#joined(body.wave, body.hosts, say);
      case 'hosts-intended':
        return this.#intended(body.action, body.hosts, say);
      case 'hosts-answered':
        for (const answered of body.hosts) this.#answered(entry.seq, body.action, answered);
        return;
      case 'lifecycle-answered':
        for (const { id, outcome } of body.hosts) {
          const one = this.#hosts.get(id);
          if (one !== undefined && outcome.kind === 'proven') one.leftStopped = outcome.service !== 'running';
        }
        return;
      case 'hosts-excused':
        for (const id of body.hosts) this.#account(id).aside = true;
        return;
      case 'wave-acted': {
        const open = this.#all().filter((one) => one.wave === body.wave && !one.proven && !one.aside);
        if (open.length > 0) say(`not proven: ${names(open)} (7)`);
        return this.#watch(entry.seq);
      }
      case 'judged': {
        if (!this.#watching) return;
        const { kind, observedMs, from, to } = body.judgement;
        if (observedMs > to - from) say(`observed ${observedMs} ms in a span of ${to - from} ms (5)`);
        if (observedMs > 0 && from < this.#judgedTo) say('time is counted twice (5)');
        const verdicts = body.judgement.gates.map((gate) => gate.kind);
        if (kind === 'fail' && !verdicts.includes('fail')) say('a fail verdict with nothing wrong (4)');
        if (kind === 'pass' && verdicts.some((verdict) => verdict !== 'pass')) say('a pass without data (4)');
        if (kind === 'error' && observedMs > 0) say('an error was counted as observed time (4)');
        if (!this.#stopped) this.#observedMs += observedMs;
        if (kind !== 'error') this.#judgedTo = to;
        this.#lastVerdict = kind;
        this.#failVerdict = kind === 'fail';
        this.#markSeq = entry.seq;
        return;
      }
      case 'wave-passed':
        this.#mayPass(this.#policy.soakMs, (one) => one.wave === body.wave, say);
        this.#areConfirmed(say);
        this.#passed = body.wave;
        this.#watching = false;
        return;
      case 'bake-started':
        if (this.#isCanary) say('a canary bakes: it would move the pin');
        if (this.#passed !== this.#waves - 1) say('baking before every wave has passed');
        return this.#watch(entry.seq);
      case 'rollout-done':
        if (!this.#isCanary) this.#mayPass(this.#policy.bakeMs, () => true, say);
        this.#areConfirmed(say);
        if (body.receipt !== undefined && this.#observedMs < this.#policy.bakeMs)
          say('a receipt without the bake (6)');
        for (const one of this.#all()) {
          if (!one.proven && !one.aside && !body.notCovered.includes(one.host.id))
            say(`${one.host.name} is neither proven nor listed`);
        }
        this.#over = true;
        return;
      case 'rollback-started':
        if (body.cause.kind === 'verdict' && body.cause.judgement.kind !== 'fail')
          say(`rolled back on a verdict of ${body.cause.judgement.kind} (4)`);
        this.#returning = true;
        this.#failVerdict = false;
        return;
      case 'rolled-back': {
        const left = this.#all().filter((one) => one.touched);
        if (left.length > 0) say(`forgotten: ${names(left)} (3)`);
        this.#over = true;
        return;
      }
      case 'rollback-incomplete': {
        const left = this.#all().filter((one) => one.touched && !body.hosts.includes(one.host.id));
        if (left.length > 0) say(`not listed: ${names(left)} (3)`);
        return;
      }
      case 'pause-requested':
      case 'halted':
        this.#stopped = true;
        return;
      case 'resume-requested':
        this.#stopped = false;
        return;
      case 'approval-given':
        this.#approved = true;
        return;
      case 'abort-requested':
        if (!this.#returning && !this.#over) this.#over = true;
        return;
      case 'rollback-requested':
        this.#stopped = false;
        return;
      default:
        return;
    }
  }

  #all(): Account[] {
    return [...this.#hosts.values()];
  }

  #account(id: string): Account {
    const found = this.#hosts.get(id);
    if (found === undefined) throw new Error(`host ${id} is in no wave`);
    return found;
  }

  #watch(seq: number): void {
    this.#watching = true;
    this.#observedMs = 0;
    this.#judgedTo = Number.NEGATIVE_INFINITY;
    this.#lastVerdict = null;
    this.#markSeq = seq;
    this.#approved = false;
  }

  /** Those who come later are proven upon by all before them, and end the rollout's waves at some time. */
  #joined(wave: number, hosts: readonly PlannedHost[], say: (what: string) => void): void {
    if (hosts.length === 0) return;
    if (this.#isCanary) say('newcomers in a canary');
    if (this.#returning || this.#over) say('newcomers after the rollback or the end');
    if (wave <= this.#wave) say(`newcomers in wave ${wave}, which has begun`);
    if (wave === 0 && !this.#isWayBack) say('newcomers among the canaries');
    if (wave > this.#plannedWaves) say(`newcomers in wave ${wave}: more than one wave was added`);
    this.#waves = Math.max(this.#waves, wave + 1);
    for (const host of hosts) {
      if (this.#hosts.has(host.id)) say(`${host.name} joins twice`);
      if (host.from.artifact === undefined) say(`${host.name} has no way back (9)`);
      if (!this.#isWayBack && !this.#all().some((one) => one.host.architecture === host.architecture))
        say(`${host.name} gets a package that no canary has run`);
      this.#add(host, wave);
      this.#population.environment += 1;
      this.#population.byZone[host.zone] = (this.#population.byZone[host.zone] ?? 0) + 1;
      this.#population.byRole[host.role] = (this.#population.byRole[host.role] ?? 0) + 1;
    }
  }

  #intended(action: HostAction, ids: readonly string[], say: (what: string) => void): void {
    if (action !== 'upgrade' && action !== 'revert') return;
    let fresh = 0;
    for (const id of ids) {
      const one = this.#account(id);
      if (action === 'revert') {
        one.out = true;
        continue;
      }
      if (one.proven) say(`${one.host.name} is changed again though proven`);
      if (one.wave > this.#wave) say(`${one.host.name} is of wave ${one.wave}, not of ${this.#wave}`);
      if (one.host.from.artifact === undefined) say(`${one.host.name} has no way back (9)`);
      if (!one.out) fresh += 1;
      one.touchedBefore = one.touched;
      one.outBefore = one.out;
      one.touched = true;
      one.out = true;
      one.aside = false;
      one.wentBack = false;
    }
    if (action !== 'upgrade') return;
    if (this.#stopped) say('an upgrade while stopped');
    if (this.#returning || this.#over) say('an upgrade after the rollback or the end (3)');
    if (this.#failVerdict) say('an upgrade after a fail verdict (3)');
    if (this.#watching) say('an upgrade while watching');
    const failed = this.#all().filter((one) => one.failed);
    if (failed.length > this.#policy.limits.failedHosts) say(`an upgrade after ${names(failed)} failed (3)`);
    if (fresh > 0) this.#withinBounds(say);
  }

  /** 2. */
  #withinBounds(say: (what: string) => void): void {
    const out = this.#all().filter((one) => one.out);
    const { environment, zone, role } = this.#policy.waves.maxUnavailable;
    const check = (bound: Bound, total: number, count: number, where: string): void => {
      const most =
        bound.kind === 'count' ? bound.count : Math.max(1, Math.floor((total * bound.percent) / 100));
      if (count > most) say(`${count} out of service in ${where}, ${most} may (2): ${names(out)}`);
    };
    // Who is gone serves nobody: the bound is of those that are left.
    const gone = this.#all().filter((one) => one.gone);
    const left = (total: number, where: (one: Account) => boolean): number =>
      total - gone.filter(where).length;
    const everywhere = (): boolean => true;
    check(environment, left(this.#population.environment, everywhere), out.length, 'the environment');
    for (const [name, total] of Object.entries(this.#population.byZone)) {
      const here = (one: Account): boolean => one.host.zone === name;
      check(zone, left(total, here), out.filter(here).length, `zone ${name}`);
    }
    for (const [name, total] of Object.entries(this.#population.byRole)) {
      const here = (one: Account): boolean => one.host.role === name;
      check(role, left(total, here), out.filter(here).length, `role ${name}`);
    }
  }

  #answered(seq: number, action: HostAction, { id, outcome }: AnsweredHost): void {
    const one = this.#account(id);
    const proven = outcome.kind === 'verified' || outcome.kind === 'reverted';
    if (outcome.kind === 'gone') {
      Object.assign(one, {
        touchedBefore: one.touched,
        touched: false,
        out: false,
        proven: false,
        aside: true,
        gone: true,
        failed: false,
      });
    } else if (one.gone && action === 'inspect' && outcome.kind === 'no-answer') {
      // Back in the inventory, as it was left.
      Object.assign(one, { touched: one.touchedBefore, out: one.touchedBefore, aside: false, gone: false });
    } else if (outcome.kind === 'went-back') {
      const aside = action === 'revert';
      Object.assign(one, { touched: false, out: false, proven: false, aside, armed: false, wentBack: true });
    } else if (action === 'confirm' || action === 'renew') {
      if (outcome.kind === 'confirmed') one.armed = false;
    } else if (action === 'revert') {
      if (outcome.kind === 'reverted')
        Object.assign(one, { touched: false, out: false, proven: false, aside: true });
    } else if (proven) {
      const leftStopped = outcome.service === 'left-stopped';
      Object.assign(one, {
        proven: true,
        provenSeq: seq,
        out: false,
        aside: false,
        touched: true,
        leftStopped,
        armed: outcome.kind === 'verified' && outcome.armedMs !== undefined,
      });
    } else if (outcome.kind === 'failed') {
      Object.assign(one, { proven: false, out: true, failed: one.failed || action !== 'inspect' });
    } else if (outcome.kind === 'still-previous') {
      one.out = false;
    } else if (action === 'upgrade' && certainlyNot(outcome)) {
      one.touched = one.touchedBefore;
      one.out = one.outBefore;
    }
  }

  /** What was proven stays, and does so by itself. */
  #areConfirmed(say: (what: string) => void): void {
    if (this.#isCanary && !this.#isKept) return;
    const armed = this.#all().filter((one) => one.proven && !one.aside && one.armed);
    if (armed.length > 0) say(`passed, and would go back by themselves: ${names(armed)}`);
  }

  /** 4, 5 and 7: enough observed time, the newest word a pass, and every host proven after it. */
  #mayPass(neededMs: number, whom: (one: Account) => boolean, say: (what: string) => void): void {
    if (!this.#watching) say('passed without having been watched (4)');
    if (this.#stopped) say('passed while stopped');
    const watched = this.#all().filter((one) => one.proven && !one.leftStopped && !one.aside);
    if (this.#observedMs < neededMs && !(watched.length === 0 && this.#approved))
      say(`passed after ${this.#observedMs} of ${neededMs} ms observed (4, 5)`);
    if (neededMs > 0 && watched.length > 0 && this.#lastVerdict !== 'pass')
      say(`passed though the newest verdict is ${this.#lastVerdict} (4)`);
    const stale = this.#all().filter(
      (one) => whom(one) && one.proven && !one.aside && one.provenSeq < this.#markSeq,
    );
    if (stale.length > 0) say(`not proven since: ${names(stale)} (7)`);
  }
}

function certainlyNot(outcome: HostOutcome): boolean {
  return outcome.kind === 'blocked' || (outcome.kind === 'no-answer' && NOT_ACTED.has(outcome.why));
}

function names(of: readonly Account[]): string {
  return of.map((one) => one.host.name).join(', ');
}
