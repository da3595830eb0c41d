import type { Prefix } from '../core/base/prefix.ts';
import { type Address, formatAddress, formatPrefix, makePrefix } from '../core/base/prefix.ts';
import { PrefixRanges } from '../core/base/ranges.ts';
import { type LinkId, type Ms, ms, type PrefixText } from '../core/base/units.ts';
import type { Sampled } from '../core/model/observation.ts';
import { type BudgetLimits, type BudgetRefusal, ProbeBudget } from './budget.ts';
import { type ArrivalWitness, checkLinks, checkSource, type LinkCheck } from './check.ts';
import {
  createProbeEngine,
  type ProbeEngine,
  type ProbeLink,
  type ProbeOutcome,
  type ProbeTarget,
} from './engine.ts';
import { SourceChecks } from './source-checks.ts';
import { median, type ProbeChange, type ProbeSummary } from './statistics.ts';
import { type FoundNetwork, HostChoice } from './targets.ts';
import { ProbeTrack } from './track.ts';

export interface ProberOptions {
  readonly links: readonly ProbeLink[];
  /** Always probed, and the references of the check at start. */
  readonly targets: readonly ProbeTarget[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly budget: BudgetLimits;
  readonly never: readonly Prefix[];
  readonly significance: number;
  /** What `lossNow` is of, milliseconds. */
  readonly nowMs?: number;
  readonly witness?: ArrivalWitness;
  readonly engine?: ProbeEngine;
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly now?: () => number;
  /** 0 to 1: spreads the probes. */
  readonly random?: () => number;
}

export interface DestinationProbe {
  /** The network that the target stands for. */
  readonly prefix: PrefixText;
  readonly target: string;
  readonly link: LinkId;
  readonly ageMs: Ms;
  readonly summary: ProbeSummary;
  /** Of the last five alone: where a path has changed, the whole window tells of what was. */
  readonly latest: ProbeSummary;
  /** Losses since the last answer; undefined where nobody ever answered. */
  readonly lostInARow: number | undefined;
}

export interface LinkProbe {
  readonly link: LinkId;
  /** Over all targets that answer at all: a host that answers nobody says nothing of a path. */
  readonly lossRatio: Sampled<number>;
  /** Probes that `lossRatio` is of: the newest twenty of each target. */
  readonly sent: number;
  /** Of the probes of the last two cycles alone: what has just begun shows here first. */
  readonly lossNow: { readonly ratio: number; readonly sent: number };
  /** Median of the targets' medians, microseconds. */
  readonly rttUs: Sampled<number> | undefined;
  /** Median of what the targets' round trips have grown by over their lowest: queueing. */
  readonly delayGrowthUs: Sampled<number> | undefined;
}

export interface ReportedChange extends ProbeChange {
  readonly link: LinkId;
  readonly target: string;
  readonly at: Ms;
}

export interface ProbeSamples {
  readonly at: Ms;
  readonly links: readonly LinkProbe[];
  readonly destinations: readonly DestinationProbe[];
  /** Since the last call. */
  readonly changes: readonly ReportedChange[];
  readonly checks: readonly LinkCheck[];
  /** Probes that were due and not sent, by reason, since start. */
  readonly skipped: Readonly<Record<BudgetRefusal | 'not_sent', number>>;
  readonly sent: number;
}

export interface Prober {
  /** Checks each link's source and probes those that hold; the others are checked again from time to time. */
  start(): Promise<readonly LinkCheck[]>;
  stop(): Promise<void>;
  /** The networks that traffic shows, the busiest first; replaces those of before. */
  setFound(networks: readonly FoundNetwork[]): void;
  samples(): ProbeSamples;
}

/** What is probed: one host, or the one chosen of a network. */
interface Subject {
  readonly prefix: PrefixText;
  readonly choice: HostChoice | undefined;
  target(): ProbeTarget | undefined;
  readonly tracks: Map<LinkId, ProbeTrack>;
  readonly timers: Set<NodeJS.Timeout>;
  isGone: boolean;
}

/** A network none of whose hosts answers is asked again after this. */
const silentForMs = 3_600_000;
/** A target counts for its links while any link has reached it within this. */
const answeringForMs = 600_000;
const changesMax = 1000;
/** Hosts that a check of a source asks. */
const referencesMax = 5;
/** How often sources that do not hold are looked through. */
const checkEveryMs = 10_000;
/** Two cycles as they are unless set. */
const twoCyclesMs = 60_000;

/** Probes targets over every link whose source holds. Nothing is sent before `start`. */
export function createProber(options: ProberOptions): Prober {
  const now = options.now ?? Date.now;
  const random = options.random ?? Math.random;
  const engine = options.engine ?? createProbeEngine();
  const never = new PrefixRanges(options.never);
  const budget = new ProbeBudget(
    options.budget,
    (address) => never.match(address.family, address.bytes, 0) >= 0,
  );
  const skipped = { link_budget: 0, network_budget: 0, never: 0, prohibited: 0, not_sent: 0 };
  const given = options.targets.map((target) => makeSubject(target));
  const found = new Map<PrefixText, Subject>();
  const witness = options.witness ?? (() => undefined);
  const sources = new SourceChecks(options.links, witness);
  let checking: NodeJS.Timeout | undefined;
  let changes: ReportedChange[] = [];
  let sent = 0;
  let isRunning = false;

  function begin(subject: Subject): void {
    for (const link of options.links) schedule(subject, link, options.intervalMs * random());
  }

  function schedule(subject: Subject, link: ProbeLink, delayMs: number): void {
    if (!isRunning || subject.isGone) return;
    const timer = setTimeout(async () => {
      subject.timers.delete(timer);
      await probe(subject, link);
      // Half either way: never in step with another unit, or with what the far side does by the clock.
      schedule(subject, link, options.intervalMs * (0.5 + random()));
    }, delayMs);
    subject.timers.add(timer);
  }

  async function probe(subject: Subject, configured: ProbeLink): Promise<void> {
    const target = subject.target();
    if (!target) return;
    const link = sources.usable(configured.link);
    if (!link?.sources.some((source) => source.family === target.address.family)) return;
    const refusal = budget.take(link.link, target.address, now());
    if (refusal) {
      skipped[refusal]++;
      return;
    }
    sent++;
    note(subject, link, target, await engine.probe(link, target, options.timeoutMs));
  }

  function note(
    subject: Subject,
    link: ProbeLink,
    target: ProbeTarget,
    outcome: ProbeOutcome,
  ): void {
    const at = now();
    if (outcome.kind === 'not_sent') skipped.not_sent++;
    if (outcome.kind === 'prohibited') budget.prohibit(target.address, at);
    if (outcome.kind === 'not_sent' || outcome.kind === 'prohibited') return;
    subject.choice?.note(outcome.kind === 'reached');
    const track = subject.tracks.get(link.link) ?? new ProbeTrack();
    subject.tracks.set(link.link, track);
    for (const change of track.note(outcome, at, options.significance)) {
      // A reader that never comes must not cost memory; the oldest goes.
      if (changes.length >= changesMax) changes.shift();
      const text = formatAddress(target.address.bytes);
      changes.push({ ...change, link: link.link, target: text, at: ms(at) });
    }
  }

  /** Those whom some link has reached lately; the given ones at first. */
  function references(at: number): readonly ProbeTarget[] {
    const reached = [...found.values()]
      .filter((subject) => isAnswering(subject, at))
      .flatMap((subject) => subject.target() ?? []);
    return [...options.targets, ...reached].slice(0, referencesMax);
  }

  /** Sources that did not hold may hold by now. */
  function checkAgain(): void {
    checking = setTimeout(async () => {
      for (const { link, source } of sources.due(now())) {
        const targets = references(now());
        sources.set(
          await checkSource(engine, link, source, targets, witness, options.timeoutMs),
          now(),
        );
        if (!isRunning) return;
      }
      checkAgain();
    }, checkEveryMs);
    checking.unref();
  }

  function end(subject: Subject): void {
    subject.isGone = true;
    for (const timer of subject.timers) clearTimeout(timer);
    subject.timers.clear();
  }

  return {
    async start() {
      isRunning = true;
      const { links, targets, timeoutMs } = options;
      const checks = await checkLinks(
        engine,
        links,
        targets.slice(0, referencesMax),
        witness,
        timeoutMs,
      );
      for (const check of checks) sources.set(check, now());
      for (const subject of [...given, ...found.values()]) begin(subject);
      if (isRunning) checkAgain();
      return checks;
    },
    async stop() {
      isRunning = false;
      clearTimeout(checking);
      for (const subject of [...given, ...found.values()]) end(subject);
      engine.close();
    },
    setFound(networks) {
      const wanted = new Map(networks.map((network) => [formatPrefix(network.prefix), network]));
      for (const [prefix, subject] of found) {
        if (wanted.has(prefix)) continue;
        end(subject);
        found.delete(prefix);
      }
      for (const [prefix, network] of wanted) {
        if (found.has(prefix)) continue;
        const subject = makeFoundSubject(network, now);
        found.set(prefix, subject);
        begin(subject);
      }
    },
    samples() {
      const at = now();
      const subjects = [...given, ...found.values()];
      for (const link of sources.look(at)) for (const { tracks } of subjects) tracks.delete(link);
      const answering = subjects.filter((subject) => isAnswering(subject, at));
      const reported = changes;
      changes = [];
      return {
        at: ms(at),
        links: options.links.flatMap(({ link }) => {
          const tracks = answering.flatMap((subject) => subject.tracks.get(link) ?? []);
          const fromMs = at - (options.nowMs ?? twoCyclesMs);
          return tracks.length === 0 ? [] : [summariseLink(link, tracks, at, fromMs)];
        }),
        destinations: subjects.flatMap((subject) => describe(subject, at)),
        changes: reported,
        checks: sources.checks(),
        skipped,
        sent,
      };
    },
  };
}

const isAnswering = ({ tracks }: Subject, at: number): boolean =>
  [...tracks.values()].some((track) => at - track.reachedMs < answeringForMs);

function makeSubject(target: ProbeTarget): Subject {
  return {
    prefix: networkText(target.address),
    choice: undefined,
    target: () => target,
    tracks: new Map(),
    timers: new Set(),
    isGone: false,
  };
}

function makeFoundSubject(network: FoundNetwork, now: () => number): Subject {
  const choice = new HostChoice(network);
  let silentSinceMs: number | undefined;
  return {
    prefix: formatPrefix(network.prefix),
    choice,
    target() {
      const target = choice.current();
      if (target) {
        silentSinceMs = undefined;
        return target;
      }
      silentSinceMs ??= now();
      if (now() - silentSinceMs > silentForMs) choice.restart();
      return undefined;
    },
    tracks: new Map(),
    timers: new Set(),
    isGone: false,
  };
}

function describe(subject: Subject, at: number): DestinationProbe[] {
  const target = subject.target();
  if (!target) return [];
  return [...subject.tracks].map(([link, track]) => ({
    prefix: subject.prefix,
    target: formatAddress(target.address.bytes),
    link,
    ageMs: ms(at - track.lastMs),
    summary: track.summary(),
    latest: track.summary(latest),
    lostInARow: track.lostInARow(),
  }));
}

/** Probes by which a path is known now: a median of five bears two that are late. */
const latest = 5;

/** The newest probes of each target: a link is judged by now, a destination by its whole window. */
const recent = 20;

function summariseLink(
  link: LinkId,
  tracks: readonly ProbeTrack[],
  at: number,
  fromMs: number,
): LinkProbe {
  const summaries = tracks.map((track) => track.summary(recent));
  const sent = summaries.reduce((sum, summary) => sum + summary.sent, 0);
  const lost = summaries.reduce((sum, summary) => sum + summary.lost, 0);
  const newest = tracks.map((track) => track.since(fromMs));
  const sentNow = newest.reduce((sum, { sent: count }) => sum + count, 0);
  const lostNow = newest.reduce((sum, { lost: count }) => sum + count, 0);
  const ageMs = ms(at - Math.max(...tracks.map((track) => track.lastMs)));
  const sampled = (value: number): Sampled<number> => ({
    value,
    ageMs,
    // The share of the targets that this link reached at all.
    coverage: summaries.filter((summary) => summary.rttUs !== undefined).length / summaries.length,
    source: 'probe',
  });
  const middle = (values: ReadonlyArray<number | undefined>) => {
    const value = median(values.filter((v) => v !== undefined).toSorted((a, b) => a - b));
    return value === undefined ? undefined : sampled(value);
  };
  return {
    link,
    lossRatio: sampled(sent === 0 ? 0 : lost / sent),
    sent,
    lossNow: { ratio: sentNow === 0 ? 0 : lostNow / sentNow, sent: sentNow },
    rttUs: middle(summaries.map((summary) => summary.rttUs)),
    delayGrowthUs: middle(tracks.map((track) => track.delayGrowthUs())),
  };
}

/** A given target stands for its /24 or /48. */
const networkText = (address: Address): PrefixText =>
  formatPrefix(makePrefix(address.family, address.bytes, address.family === 4 ? 24 : 48));
