import { HeadgateError } from '../core/base/error.ts';
import { err, ok, type Result } from '../core/base/result.ts';
import { type Sliced, whole } from '../core/base/slices.ts';
import type { LinkId } from '../core/base/units.ts';
import { unsteeredShift } from '../core/decide/billing/unsteered.ts';
import type { Policy, State } from '../core/decide/index.ts';
import type { LinkObservation, Observation } from '../core/model/observation.ts';
import type { Plan } from '../core/model/plan.ts';
import type { Settings } from '../core/settings/index.ts';
import type { Cycle } from '../history/index.ts';
import { type MetricsListener, makeRegistry, openMetricsListener } from '../metrics/index.ts';
import { type Clock, every } from './clock.ts';
import { ClockWatch } from './clock-watch.ts';
import { type Closers, type Components, closeAll, type Parts } from './components.ts';
import { announcedMax, cycleTimesOf, extentOf, policyOf } from './configure.ts';
import { desiredOf } from './desired.ts';
import { gatherComplaints } from './face/complaints.ts';
import { Conditions } from './face/conditions.ts';
import { readings, type Scrape } from './face/families.ts';
import { Messenger } from './face/messenger.ts';
import { MoveLog } from './face/move-log.ts';
import { setAnswers } from './face/unit-answers.ts';
import { scrapeOf } from './face/unit-scrape.ts';
import type { Picture } from './face/views.ts';
import { Vitals } from './face/vitals.ts';
import type { Log } from './log.ts';
import { Loop } from './loop.ts';
import { Metering } from './measure/metering.ts';
import { type ObserveInput, observeSliced } from './measure/observe.ts';
import { PaidLevels } from './money/bill.ts';
import { askOf, livePage } from './money/report.ts';
import { ShiftMeter } from './money/usage.ts';
import { type Outbound, openOutbound, publishTables, tablesWith } from './outbound/outbound.ts';
import { recall } from './recall.ts';
import { RegroupWatch, withDivision } from './regrouping.ts';
import { changedKeys, fixedChanges } from './reload.ts';
import { acceptsBy, carriedNowhere, linksCut, readRouting, toldOf } from './routes/routing.ts';
import { Steps } from './steps.ts';
import { Tally } from './tally.ts';
import { ownPart } from './units/cluster-settings.ts';
import { clusterView } from './units/cluster-views.ts';
import { downOf, type Joint, type UnitSummary } from './units/joint.ts';
import {
  carryOutOrders,
  initialOf,
  ordersIn,
  summaryOf,
  withLinks,
} from './units/unit-in-cluster.ts';

/** After so many cycles without a measurement nothing is known of what steering shifted. */
const missedCycles = 10;

interface Wanted {
  readonly plan: Plan | undefined;
  readonly links: readonly LinkObservation[];
}

export class Unit {
  /** Of the whole network. */
  #settings: Settings;
  /** The part of them that is this unit's; the same where it is alone. */
  #own: Settings;
  /** This unit's place among several; absent where it is alone. */
  readonly #joint: Joint | undefined;
  readonly #clock: Clock;
  readonly #clockWatch: ClockWatch;
  readonly #log: Log;
  readonly #parts: Parts;
  readonly #components: Components;
  readonly #closers: Closers;
  readonly #loop: Loop;
  /** Absent unless settings steer outbound traffic. */
  readonly #outbound: Outbound | undefined;
  readonly #tally = new Tally();
  readonly #conditions = new Conditions();
  readonly #messenger: Messenger;
  readonly #shifts: ShiftMeter;
  readonly #regrouping: RegroupWatch;
  /** What was measured last on what is this unit's. */
  #seen: Observation | undefined;
  readonly #paid: PaidLevels;
  readonly #started: number;
  readonly #metering: Metering;
  #cancelCycle: () => void = () => undefined;
  readonly #steps: Steps;
  #isTurning = false;
  /** What was last to be announced. */
  #wanted: Wanted | undefined;
  readonly #vitals: Vitals;
  readonly #moveLog: MoveLog;
  #listener: MetricsListener | undefined;
  #stopping: Promise<void> | undefined;

  constructor(settings: Settings, parts: Parts, components: Components, closers: Closers) {
    const { history, speaker, configured, engine } = components;
    const memory = history.recall();
    this.#regrouping = new RegroupWatch(settings.blocks);
    this.#joint = components.joined?.joint;
    this.#settings = withDivision(settings, memory?.divisions);
    this.#own = ownPart(this.#settings, this.#joint?.cluster.unit);
    this.#clock = parts.clock;
    this.#clockWatch = new ClockWatch(parts.clock);
    this.#steps = new Steps(parts.clock);
    this.#log = parts.log;
    this.#parts = parts;
    this.#moveLog = new MoveLog(parts.log);
    this.#messenger = new Messenger(parts, () => this.#tally.noteFailure('notices'));
    this.#components = components;
    this.#vitals = new Vitals(parts, components);
    this.#closers = closers;
    this.#started = parts.clock.wall();
    this.#metering = new Metering({
      components,
      clock: parts.clock,
      log: parts.log,
      tally: this.#tally,
      settings: () => this.#own,
      last: () => this.#seen,
    });
    this.#paid = new PaidLevels(history);
    this.#shifts = new ShiftMeter(missedCycles * cycleTimesOf(settings).intervalMs);
    if (this.#settings !== settings) components.engine?.publish(tablesWith(this.#own, undefined));
    const policy = policyOf(this.#settings);
    const { mode } = this.#settings;
    components.diary.started(extentOf(this.#settings));
    const remembered = recall(memory, this.#settings, this.#started, policy.rails.holdMs);
    this.#outbound = openOutbound(this.#own, components, parts, memory, this.#started, (step) =>
      this.#steps.add(step),
    );
    this.#closers.push(() => this.#outbound?.stop());
    this.#loop = new Loop({
      mode,
      policy,
      initial: initialOf(remembered, this.#joint, mode),
      act: (plan, links) => {
        const wanted = { plan, links };
        this.#wanted = wanted;
        this.#steps.add(() => this.#announce(wanted));
      },
      onCycle: (cycle) => this.#keep(cycle),
      onMoves: (moves, mode) => history.recordMoves(moves, mode),
    });
    if (this.#loop.isSilent) speaker?.withdrawAll();
    configured?.hold(this.#loop.isSilent);
    this.#joint?.attach(
      {
        loop: this.#loop,
        order: (orders) => carryOutOrders(orders, this.#loop, components, this.#at),
        onMoves: (moves) => history.recordMoves(moves, mode),
        summary: () => this.#summary(),
        ...(engine ? { halves: () => engine.halves() } : {}),
      },
      ordersIn(remembered),
    );
  }

  /** Where `/metrics` is, if anywhere. */
  get metrics(): Pick<MetricsListener, 'address' | 'port'> | undefined {
    return this.#listener;
  }

  /** Begins to answer, to serve metrics and to turn. Throws HeadgateError `listen_failed`. */
  async start(): Promise<void> {
    const { answers, names } = this.#components;
    setAnswers({
      components: this.#components,
      picture: () => this.#picture(),
      loop: this.#loop,
      outbound: this.#outbound,
      clock: this.#clock,
      note: () => this.#afterCommand(),
      reload: () => this.reloadFile('a command'),
    });
    const registry = makeRegistry<Scrape>(readings, () => this.#scrape());
    const { listen, page } = this.#settings.metrics;
    if (listen) {
      const title = this.#parts.hostName ?? 'unit';
      const show = page ? () => livePage(askOf(answers), title, this.#clock.wall()) : undefined;
      const listener = await openMetricsListener(listen, registry, show);
      this.#listener = listener;
      this.#closers.push(() => listener.close());
    }
    this.#metering.measure();
    if (names) this.#closers.push(every(this.#clock, names.lookMs, () => names.look()));
    this.#schedule();
    this.#closers.push(() => this.#cancelCycle());
    this.#closers.push(this.#metering.everySample());
    this.#log.info(extentOf(this.#settings), 'running');
  }

  /** One cycle: measure, decide, act, verify; in steps, so that with many blocks nothing else waits for all of it. */
  turn(): void {
    if (this.#isTurning) {
      this.#tally.noteFailure('cycle');
      this.#log.warn({}, 'a cycle is left out: the one before is not over');
      return;
    }
    this.#isTurning = true;
    this.#steps.add(() => this.#cycle());
  }

  *#cycle(): Sliced<void> {
    const from = this.#clock.now();
    const { speaker, station, sources, origin, configured, names } = this.#components;
    yield* this.#metering.turnSliced();
    origin?.refresh(this.#clock.wall());
    const accepts = station && acceptsBy(this.#own, station);
    const { withheld, isAside, policy } = this.#loop;
    const told = toldOf(speaker, configured, policy.rails.settleMs);
    const heard = told && (yield* readRouting(this.#own, told, withheld, origin, accepts));
    const routing = isAside ? carriedNowhere(this.#own.blocks, heard) : heard;
    yield;
    const observation = yield* this.#observe(routing);
    this.#seen = observation;
    yield;
    if (this.#joint) {
      this.#meterSteering(observation, this.#loop.state);
      yield* this.#joint.turn(observation, routing ?? new Map());
    } else {
      const steppedMs = this.#clockWatch.moved();
      if (steppedMs !== 0) this.#loop.shift(steppedMs);
      yield* this.#loop.turn(observation);
      yield;
      this.#regroup(observation);
    }
    yield;
    if (this.#outbound) {
      const mode = this.#modeInForce;
      const wire = this.#metering.span();
      yield* this.#outbound.turn({ observation, mode, wire }, this.#own);
      this.#components.diary.detoured(this.#outbound.overrides, mode);
      yield* this.#rememberSliced();
    }
    yield;
    // Names lead to links of other units too: of those the plan tells.
    names?.turn(
      this.#joint ? withLinks(observation, this.#loop.links) : observation,
      this.#modeInForce,
    );
    yield;
    this.#note();
    // For the next turn: reading the kernel's drop counts waits for a file.
    sources?.drain().catch((error: unknown) => {
      this.#tally.noteFailure('flows');
      this.#log.error({ err: error }, 'flow exports could not be taken in');
    });
    this.#tally.noteTime(this.#clock.now() - from);
    this.#isTurning = false;
  }

  get #modeInForce(): Settings['mode'] {
    return this.#loop.isSilent ? 'observe' : this.#settings.mode;
  }

  *#observe(routing: ObserveInput['routing']): Sliced<Observation> {
    const wire = this.#metering.span();
    const { sources, station } = this.#components;
    const flows = sources?.flows();
    return yield* observeSliced({
      at: this.#clock.wall(),
      settings: this.#own,
      ...(routing ? { routing } : {}),
      ...(station ? { cut: linksCut(this.#own, station) } : {}),
      ...(sources ? { samples: sources.links() } : {}),
      ...(flows ? { flows } : {}),
      ...(countsPrice(this.#loop.policy)
        ? { billing: this.#paid.at(this.#own, this.#clock.wall(), this.#seen?.links) }
        : {}),
      ...(this.#seen ? { before: this.#seen.links } : {}),
      ...(wire ? { wire } : {}),
    });
  }

  /** Cuts, joins and groups blocks anew where settings allow it and usage asks for it. */
  #regroup(observation: Observation): void {
    const { policy, state } = this.#loop;
    const regrouped = this.#regrouping.look(observation, this.#settings, policy, state);
    if (!regrouped) return;
    const settings = { ...this.#settings, blocks: regrouped.divisions };
    try {
      this.#components.engine?.publish(tablesWith(settings, this.#outbound));
    } catch (error) {
      if (!(error instanceof HeadgateError)) throw error;
      this.#tally.noteFailure('engine');
      this.#log.error({ err: error }, 'blocks stay as they are: the wires took no new table');
      return;
    }
    this.#settings = settings;
    this.#own = settings;
    // Counters of blocks that were not there before cannot be compared with those of now.
    this.#metering.restart();
    this.#metering.measure();
    this.#loop.redivide(regrouped.divisions, observation.at, policyOf(settings));
    for (const { kind, blocks, reason, gain } of regrouped.changes)
      this.#log.info({ kind, blocks, gain }, `regrouped: ${reason}`);
    this.#remember();
  }

  /** New settings, all of them or none: gives the keys that changed, or an error that names what needs a restart. */
  async reload(read: Settings, by: string): Promise<Result<readonly string[], string>> {
    const settings = this.#regrouping.adopt(read, this.#settings.blocks);
    const fixed = fixedChanges(this.#settings, settings);
    if (fixed.length > 0) {
      return err(
        `${fixed.join(', ')} cannot change while the unit runs; restart it, nothing was changed`,
      );
    }
    const own = ownPart(settings, this.#joint?.cluster.unit);
    const changed = changedKeys(this.#settings, settings);
    try {
      // Before anything else: the tables are what may be refused.
      await publishTables(own, this.#components.engine, this.#outbound, this.#steps);
    } catch (error) {
      if (!(error instanceof HeadgateError)) throw error;
      return err(`${error.message}; nothing was changed`);
    }
    if (this.#stopping) return err('the unit stops');
    const before = cycleTimesOf(this.#settings);
    const times = cycleTimesOf(settings);
    this.#settings = settings;
    this.#own = own;
    this.#joint?.adopt(settings);
    this.#paid.forget();
    if (times.averageMs !== before.averageMs) this.#metering.restart();
    if (times.intervalMs !== before.intervalMs) this.#schedule();
    this.#loop.adopt(settings.mode, policyOf(settings));
    this.#outbound?.adopt(own);
    this.#components.diary.reloaded(by, changed);
    this.#log.info({ mode: settings.mode, changed }, 'settings reloaded');
    return ok(changed);
  }

  /** The file that the unit was started with, read anew: on a command, or on SIGHUP. */
  async reloadFile(by: string): Promise<Result<readonly string[], string>> {
    const settings = this.#parts.readSettings?.();
    const changed = !settings
      ? err('this unit was not started from a file of settings')
      : settings.ok
        ? await this.reload(settings.value, by)
        : err(`${settings.error}; nothing was changed`);
    this.#vitals.refusedSettings = changed.ok ? undefined : changed.error;
    if (!changed.ok) this.#components.diary.refusedReload(by, changed.error);
    this.#note();
    return changed;
  }

  /** Ends everything in reverse order: announcements first, packets after. Twice is harmless. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#cancelCycle();
    this.#steps.finish();
    this.#metering.finish();
    this.#remember();
    this.#components.diary.stopped();
    await closeAll(this.#closers, this.#log);
  }

  #schedule(): void {
    this.#cancelCycle();
    const { intervalMs } = cycleTimesOf(this.#settings);
    this.#cancelCycle = every(this.#clock, intervalMs, () => this.turn());
  }

  /** Hands the plan to the speaker: what is not in it is withdrawn. */
  *#announce(wanted: Wanted): Sliced<void> {
    const plan = wanted.plan && (this.#joint?.recheck(wanted.plan) ?? wanted.plan);
    const down = this.#joint?.down ?? downOf(wanted.links);
    const { speaker, configured, origin, diary } = this.#components;
    if (!speaker && !configured) return;
    const own = new Set(this.#own.routers.map(({ name }) => name));
    const blocks = plan?.blocks ?? [];
    const desired = yield* desiredOf(this.#settings, blocks, down, origin, (name) => own.has(name));
    // What is wanted meanwhile has a step of its own behind this one.
    if (wanted !== this.#wanted) return;
    // Told before it is done: what the log lacks was never announced.
    yield* diary.announced(desired, plan, this.#settings.mode);
    speaker?.setDesired(desired, announcedMax(this.#settings));
    configured?.setBlocks(desired);
  }

  #keep(cycle: Cycle): void {
    this.#tally.noteCycle(cycle);
    const { history, recorder } = this.#components;
    // Of several units each meters what it has, whoever decides.
    if (!this.#joint) {
      this.#seen = cycle.observation;
      this.#meterSteering(cycle.observation, cycle.before);
    }
    // Each of them writes the whole of it.
    this.#steps.add(
      () => history.recordSliced(cycle),
      () => this.#rememberSliced(),
    );
    if (recorder) this.#steps.add(() => recorder.writeSliced(cycle));
    this.#moveLog.tell(cycle);
  }

  /** What steering shifted, and without wires what blocks carried. */
  #meterSteering(observation: Observation, before: State): void {
    const { history, engine } = this.#components;
    // What was announced is what the last turn left in force; a plan that is only proposed shifts nothing.
    const isInForce = this.#loop.inForce !== undefined;
    const shift = isInForce ? unsteeredShift(observation, before) : new Map<LinkId, number>();
    history.addShifts(this.#shifts.advance(shift, observation.at));
    const longestMs = missedCycles * cycleTimesOf(this.#settings).intervalMs;
    if (!engine) this.#metering.measureObserved(observation, longestMs);
  }

  #remember(): void {
    whole(this.#rememberSliced());
  }

  #rememberSliced(): Sliced<void> {
    return this.#components.history.rememberSliced({
      at: this.#clock.wall(),
      ...this.#loop.memory,
      ...this.#outbound?.memory,
      ...(this.#joint ? { ordersSerial: this.#joint.orders.serial } : {}),
      ...(this.#settings.regroup ? { divisions: this.#settings.blocks } : {}),
    });
  }

  #afterCommand(): void {
    this.#joint?.changed();
    this.#remember();
    this.#note();
  }

  /** Brings the complaints up to date. */
  #note(): void {
    const picture = this.#picture();
    this.#components.diary.tend();
    const vitals = this.#vitals.look(cycleTimesOf(this.#settings).intervalMs);
    const found = gatherComplaints(picture, this.#components, this.#outbound, vitals);
    const { began, ended } = this.#conditions.update(picture.at, found);
    for (const what of began) this.#log.warn({}, what);
    for (const what of ended) this.#log.info({}, `over: ${what}`);
    const { notices } = this.#settings;
    if (notices) this.#messenger.tell(picture.at, this.#conditions.standing(), notices);
  }

  /** Milliseconds since the epoch: the network's time where there are several units. */
  get #at(): number {
    return this.#joint?.at ?? this.#clock.wall();
  }

  #summary(): UnitSummary {
    return summaryOf({
      unit: this.#joint?.cluster.unit ?? '',
      settings: this.#settings,
      snapshot: this.#metering.latest,
      sessions: this.#components.speaker?.sessions() ?? [],
      refused: this.#joint?.refused.length ?? 0,
    });
  }

  #picture(): Picture {
    const { speaker, configured } = this.#components;
    const joint = this.#joint;
    // A unit that does not lead shows what it has at first hand: whoever wants the whole asks the leader.
    const isWhole = joint === undefined || joint.leads;
    return {
      settings: isWhole ? this.#settings : this.#own,
      loop: this.#loop,
      seen: isWhole ? this.#loop.last?.observation : this.#seen,
      ...(joint ? { cluster: clusterView(joint) } : {}),
      at: this.#at,
      started: this.#started,
      snapshot: this.#metering.latest,
      blockRtts: this.#metering.blockRtts,
      sessions: speaker?.sessions() ?? [],
      announced: toldOf(speaker, configured, 0)?.announced ?? new Map(),
      conditions: this.#conditions,
      ...(this.#settings.regroup ? { regroupings: this.#regrouping.changes } : {}),
    };
  }

  #scrape(): Scrape {
    return scrapeOf({
      settings: this.#settings,
      components: this.#components,
      parts: this.#parts,
      metering: this.#metering,
      loop: this.#loop,
      joint: this.#joint,
      outbound: this.#outbound,
      conditions: this.#conditions,
      tally: this.#tally,
    });
  }
}

/** Whether any objective weighs the price. */
const countsPrice = ({ objective, groups }: Policy) =>
  objective.price > 0 || groups.some((group) => (group.objective?.price ?? 0) > 0);
