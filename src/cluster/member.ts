import { err, ok, type Result } from '../core/base/result.ts';
import type { Bus, BusMessage } from './bus.ts';
import type { Cluster, ClusterOptions, UnitReport } from './cluster.ts';
import { Hearing } from './hearing.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import type { Membership, Standing } from './membership.ts';
import { decodeMessage, encodeMessage } from './messages.ts';
import {
  isLater,
  isSamePlan,
  type PlanMark,
  PlanStore,
  type PublishError,
  type StoredPlan,
} from './plan-store.ts';
import { reasonOf } from './reason.ts';
import { Reports } from './reports.ts';
import { Strangers } from './strangers.ts';

/** What every unit says of itself a few times per lease. */
interface Alive {
  /** Present while it leads: the fence that it leads with. */
  readonly leads?: number;
  /** The latest plan that it has. */
  readonly has?: PlanMark;
  /** The plan that it goes by; said by the leader, all do from now on. */
  readonly goesBy?: PlanMark;
  /** While it leads: whom it hears. They are asked before the next plan holds; to others no plan may be told yet. */
  readonly counts?: readonly string[];
  /** It stops, and has taken its announcements back. */
  readonly leaves?: true;
}

/** Per lease: two may be lost before anybody is missed. */
const alivesPerLease = 3;
/** A plan that not all have by then is given up. */
const confirmsPerLease = 2;
/** The one in force, one that waits for all, and one that came in between. */
const plansHeld = 3;
/** For the decision about the lease: it is looked at more often than it is renewed. */
const ticksPerLease = 10;

export class Member implements Cluster {
  readonly unit: string;
  readonly #options: ClusterOptions;
  readonly #connect: () => Promise<Bus>;
  readonly #hearing: Hearing;
  readonly #reports: Reports;
  readonly #strangers: Strangers;
  readonly #counters = new Map<string, number>();
  #bus: Bus | undefined;
  #store: PlanStore | undefined;
  readonly #lease: LeaseKeeper;
  /** The lease that we have taken over with, and the fence that is on the plan in force by our hand. */
  #taken: { readonly lease: number; readonly fence: number } | undefined;
  #isTaking = false;
  #wasLeader = false;
  /** The latest plans that were read or written; the one in force is among them or older. */
  #held: readonly StoredPlan[] = [];
  #inForce: PlanMark | undefined;
  /** While a plan waits for the others. */
  #onConfirmed: () => void = () => undefined;
  #publishing: Promise<unknown> = Promise.resolve();
  #following: Promise<void> | undefined;
  /** A newer plan was told of while one was being read. */
  #isBehind = false;
  /** The plan of which it is not known whether the others go by it. */
  #doubted: PlanMark | undefined;
  /** What the leader said that all go by. */
  #toldInForce: PlanMark | undefined;
  #aliveAtMs = Number.NEGATIVE_INFINITY;
  #cancelTick: () => void = () => undefined;
  #isStopped = false;
  readonly #ready: Promise<void>;
  #nowReady: () => void = () => undefined;

  constructor(options: ClusterOptions, connect: () => Promise<Bus>) {
    this.unit = options.unit;
    this.#options = options;
    this.#connect = connect;
    const count = (name: string, by?: number) => this.#count(name, by);
    this.#hearing = new Hearing(options);
    this.#reports = new Reports(options.unit, options.clock.now, count);
    this.#lease = new LeaseKeeper({
      ...options,
      bucket: () => this.#bus?.lease,
      count,
      onChange: () => {
        this.#takeOver();
        this.#noteLeadership();
      },
    });
    this.#strangers = new Strangers(options.clock.now, 2 * options.silentMs);
    this.#ready = new Promise((resolve) => {
      this.#nowReady = resolve;
    });
    void this.#open();
    this.#tick();
  }

  isLeader(): boolean {
    return this.#lease.holds() && this.#taken?.lease === this.#lease.fence;
  }
  leader(): string | undefined {
    return this.isLeader() ? this.unit : this.#hearing.leader();
  }
  standing(): Standing {
    return this.isLeader() ? 'led' : this.#hearing.standing();
  }
  holdLeftMs(): number {
    return this.#hearing.holdLeftMs();
  }
  membership(): Membership {
    return this.#hearing.membership();
  }
  isConnected(): boolean {
    return this.#bus?.isConnected === true;
  }
  plan(): PlanMark | undefined {
    return this.#inForce;
  }
  reports(): readonly UnitReport[] {
    return this.#reports.list();
  }
  refusals(): readonly string[] {
    return this.#strangers.list();
  }
  counters(): Readonly<Record<string, number>> {
    return { ...Object.fromEntries(this.#counters), ...this.#reports.losses() };
  }

  callReports(): void {
    this.#publish('call', {});
  }

  report(body: unknown): void {
    this.#reports.keepOwn(body);
    this.#sendReport();
  }

  publishPlan(body: unknown, units: readonly string[]): Promise<Result<StoredPlan, PublishError>> {
    // One at a time: the second is compared with what the first has stored.
    const published = this.#publishing.then(() => this.#publishNext(body, units));
    this.#publishing = published.catch(() => undefined);
    return published;
  }

  #follow(): Promise<void> {
    this.#isBehind = this.#following !== undefined;
    this.#following ??= this.#read().finally(() => {
      this.#following = undefined;
      if (this.#isBehind && !this.#isStopped) void this.#follow();
    });
    return this.#following;
  }

  async ask(unit: string, body: unknown, timeoutMs: number): Promise<Result<unknown, string>> {
    if (!this.#bus) return err('this unit has no connection to NATS');
    try {
      const subject = this.#subject(`command.${unit}`);
      const reply = await this.#bus.request(subject, encodeMessage(this.unit, body), timeoutMs);
      const answer = decodeMessage(reply);
      return answer.ok ? ok(answer.value.body) : err(JSON.stringify(answer.error));
    } catch (error) {
      return err(`unit ${unit} did not answer: ${reasonOf(error)}`);
    }
  }

  ready(timeoutMs: number): Promise<void> {
    const { clock } = this.#options;
    return new Promise((resolve) => {
      const cancel = clock.after(timeoutMs, resolve);
      void this.#ready.then(() => {
        cancel();
        resolve();
      });
    });
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#cancelTick();
    const bus = this.#bus;
    if (!bus) return;
    this.#publish('alive', { leaves: true });
    await this.#lease.release();
    await bus.close();
  }

  async #open(): Promise<void> {
    try {
      const bus = await this.#connect();
      if (this.#isStopped) return await bus.close();
      this.#bus = bus;
      this.#store = new PlanStore(bus.plans, this.unit);
      this.#hearing.hears();
      bus.onConnection((isConnected) => this.#onConnection(isConnected));
      bus.subscribe(this.#subject('alive'), (message) => this.#onAlive(message));
      bus.subscribe(this.#subject('call'), () => this.#sendReport());
      const own = this.#subject(`command.${this.unit}`);
      bus.subscribe(own, (message) => void this.#onCommand(message));
      this.#options.onEvent({ kind: 'connected' });
      this.#sayAlive();
      await this.#follow();
    } catch (error) {
      this.#count('connect_failed');
      this.#options.onEvent({ kind: 'not_connected', reason: reasonOf(error) });
      const { clock, leaseMs } = this.#options;
      if (!this.#isStopped) clock.after(leaseMs, () => void this.#open());
    }
  }

  #tick(): void {
    const { clock, leaseMs } = this.#options;
    if (this.#isStopped) return;
    this.#cancelTick = clock.after(Math.max(20, leaseMs / ticksPerLease), () => this.#tick());
    this.#hearing.tick();
    this.#lease.tick(this.#isLedByAnother());
    this.#takeOver();
    this.#noteLeadership();
    this.#noteDoubt();
    if (clock.now() - this.#aliveAtMs >= leaseMs / alivesPerLease) this.#sayAlive();
  }

  /** So lately that its lease has not run out: whoever asks for it before that is refused. */
  #isLedByAnother(): boolean {
    const leader = this.#hearing.leader();
    const silenceMs = this.#hearing.silenceOfLeaderMs();
    return leader !== undefined && leader !== this.unit && silenceMs < this.#options.leaseMs / 2;
  }

  /** A new leader acts only when its fence is on the plan in force, and it goes by that plan itself. */
  #takeOver(): void {
    const { fence: lease } = this.#lease;
    const store = this.#store;
    if (!store || !this.#lease.holds() || this.#taken?.lease === lease || this.#isTaking) return;
    this.#isTaking = true;
    void store
      .take(lease, () => this.#lease.holds() && this.#lease.fence === lease)
      .then((taken) => {
        if (!taken.ok) {
          this.#count(`take_${taken.error.code}`);
          if (taken.error.code === 'superseded') this.#lease.refuse();
          return;
        }
        const { fence, found } = taken.value;
        // A plan that cannot be read any more is replaced by the next one.
        if (found?.ok) this.#inherit(found.value);
        else if (found) this.#count(`take_${found.error.code}`);
        this.#taken = { lease, fence };
        this.#noteLeadership();
        // Nobody waits for this: a list takes long where NATS has just lost a node.
        void store.sweep(fence).catch(() => this.#count('sweep_failed'));
      })
      .finally(() => {
        this.#isTaking = false;
      });
  }

  #noteLeadership(): void {
    const leads = this.isLeader();
    if (leads === this.#wasLeader) return;
    this.#wasLeader = leads;
    // What a leader before said holds no more.
    this.#toldInForce = undefined;
    if (leads && this.#bus) {
      this.#reports.listen(this.#bus, this.#subject('report'), (bytes) => this.#decode(bytes));
      // What the others measured last, so that the first decision need not wait for their next turns.
      this.callReports();
    } else this.#reports.forget();
    this.#sayAlive();
    this.#options.onEvent({ kind: leads ? 'became_leader' : 'no_longer_leader' });
  }

  #sayAlive(): void {
    this.#aliveAtMs = this.#options.clock.now();
    const has = this.#held.at(-1);
    const fence = this.isLeader() ? this.#taken?.fence : undefined;
    const alive: Alive = {
      ...(fence === undefined ? {} : { leads: fence, counts: this.#hearing.membership().live }),
      ...(has ? { has: markOf(has) } : {}),
      ...(this.#inForce ? { goesBy: this.#inForce } : {}),
    };
    if (fence !== undefined) this.#hearing.heardLeader(this.unit, fence);
    this.#publish('alive', alive);
  }

  #onAlive(message: BusMessage): void {
    const decoded = this.#decode(message.bytes);
    if (!decoded || decoded.unit === this.unit) return;
    // A cast: sent by a peer of the same protocol version that authenticated.
    const { leads, has, goesBy, counts, leaves } = decoded.body as Alive;
    const plans = { ...(has ? { has } : {}), ...(goesBy ? { goesBy } : {}) };
    const wasHeard = this.#hearing.membership().live.includes(decoded.unit);
    this.#hearing.heard(decoded.unit, leaves === true, plans);
    this.#onConfirmed();
    // It waits for this before it goes by any plan.
    if (!wasHeard && this.isLeader()) this.#sayAlive();
    if (leads === undefined) return;
    if (!this.#hearing.heardLeader(decoded.unit, leads)) {
      this.#count('late_leader');
      return;
    }
    // Whom the leader does not count it does not ask before it goes on to the next plan.
    this.#toldInForce = counts?.includes(this.unit) === false ? undefined : goesBy;
    this.#goByWhatIsTold();
    if (has && !this.#held.some((plan) => isSamePlan(has, plan))) void this.#follow();
  }

  async #read(): Promise<void> {
    const plan = await this.#store?.read();
    if (!plan || this.#isStopped) return;
    if (!plan.ok) this.#count(`plan_${plan.error.code}`);
    else if (plan.value) {
      this.#hold(plan.value);
      this.#sayAlive();
      this.#goByWhatIsTold();
    } else this.#nowReady();
  }

  #noteDoubt(): void {
    const latest = this.#held.at(-1);
    if (!latest || !isLater(latest, this.#inForce) || isSamePlan(latest, this.#doubted)) return;
    const { leaseMs } = this.#options;
    const isLed = this.isConnected() && this.#hearing.silenceOfLeaderMs() < leaseMs;
    if (isLed || this.isLeader() || this.#inForce === undefined) return;
    this.#doubted = markOf(latest);
    this.#count('plan_doubted');
    this.#options.onDoubt(latest);
  }

  #hold(plan: StoredPlan): void {
    this.#held = [...this.#held.filter((other) => !isSamePlan(other, plan)), plan].slice(
      -plansHeld,
    );
  }

  /** All go by a plan when the leader says so, which it does when all have it. */
  #goByWhatIsTold(): void {
    const told = this.#toldInForce;
    if (told === undefined || this.isLeader() || isSamePlan(told, this.#inForce)) return;
    const plan = this.#held.find((held) => isSamePlan(told, held));
    if (plan) this.#goBy(plan);
  }

  #goBy(plan: StoredPlan): void {
    this.#inForce = markOf(plan);
    this.#options.onPlan(plan);
    this.#nowReady();
    this.#sayAlive();
  }

  /**
   * What a new leader finds: the plan in force, or one that its predecessor wrote and that nobody goes by yet, as far
   * as was heard. That one is left: what all announce stays what it is.
   */
  #inherit(plan: StoredPlan): void {
    this.#hold(plan);
    if (isSamePlan(plan, this.#inForce)) return;
    const latest = this.#hearing.latestInForce();
    const isLatestOurs = this.#inForce && (!latest || !isLater(latest, this.#inForce));
    if (isLatestOurs && isLater(plan, this.#inForce)) this.#count('plan_left');
    else this.#goBy(plan);
  }

  async #publishNext(
    body: unknown,
    units: readonly string[],
  ): Promise<Result<StoredPlan, PublishError>> {
    const fence = this.#taken?.fence;
    if (!this.isLeader() || fence === undefined || !this.#store)
      return err({ code: 'superseded', fence: this.#hearing.fence });
    const written = await this.#store.write(fence, body);
    if (!written.ok) {
      this.#count(`publish_${written.error.code}`);
      if (written.error.code === 'superseded') this.#lease.refuse();
      return written;
    }
    this.#hold(written.value);
    // The others are told by a plain message: whoever hears it reads the bucket; who hears none for long is cut off.
    this.#sayAlive();
    const missing = await this.#confirmed(written.value, units);
    if (missing.length > 0) {
      this.#count('publish_unconfirmed');
      return err({ code: 'unconfirmed', units: missing });
    }
    if (!this.isLeader()) return err({ code: 'superseded', fence: this.#hearing.fence });
    this.#inForce = markOf(written.value);
    this.#sayAlive();
    return written;
  }

  /** Those of `units`, and of all that are heard by then, that have not said in time that they have a plan. */
  #confirmed(plan: PlanMark, units: readonly string[]): Promise<readonly string[]> {
    // Who is silent since is missing too: what it announces must not be changed behind its back.
    const missing = () => {
      const { live } = this.#hearing.membership();
      const without = this.#hearing.without(plan);
      const asked = [...new Set([...units, ...live])].filter((unit) => unit !== this.unit);
      return asked.filter((unit) => without.includes(unit) || !live.includes(unit));
    };
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        this.#onConfirmed = () => undefined;
        resolve(missing());
      };
      const cancel = this.#options.clock.after(this.#options.leaseMs / confirmsPerLease, end);
      this.#onConfirmed = () => {
        if (missing().length === 0) end();
      };
      this.#onConfirmed();
    });
  }

  async #onCommand(message: BusMessage): Promise<void> {
    const decoded = this.#decode(message.bytes);
    if (!decoded) return;
    const answer = await this.#options.onCommand(decoded.body, decoded.unit);
    message.respond(encodeMessage(this.unit, answer));
  }

  #onConnection(isConnected: boolean): void {
    if (isConnected) this.#hearing.hears();
    else {
      this.#hearing.isDeaf();
      this.#noteDoubt();
    }
    this.#toldInForce = undefined;
    this.#options.onEvent({ kind: isConnected ? 'connected' : 'disconnected' });
    if (!isConnected) return;
    this.#sayAlive();
    // What was committed meanwhile was told to those who were there.
    void this.#follow();
  }

  #sendReport(): void {
    if (this.#bus?.isConnected) this.#reports.send(this.#bus, this.#subject('report'));
  }

  #publish(name: string, body: unknown): void {
    this.#bus?.publish(this.#subject(name), encodeMessage(this.unit, body));
  }

  #decode(bytes: Uint8Array): { readonly unit: string; readonly body: unknown } | undefined {
    const message = decodeMessage(bytes);
    if (message.ok) return message.value;
    this.#count(`message_${message.error.code}`);
    const reason = this.#strangers.note(message.error);
    if (reason !== undefined) this.#options.onEvent({ kind: 'refused_message', reason });
    return undefined;
  }

  #subject(name: string): string {
    return `${this.#options.network}.${name}`;
  }

  #count(name: string, by = 1): void {
    this.#counters.set(name, (this.#counters.get(name) ?? 0) + by);
  }
}

const markOf = ({ fence, serial }: PlanMark): PlanMark => ({ fence, serial });
