/** One running unit: opens every component, joins them, runs the cycle, and closes them in reverse. */

import type { Answer } from '../control/index.ts';
import { openControlServer } from '../control/index.ts';
import { HeadgateError } from '../core/base/error.ts';
import { prefixOf } from '../core/base/prefix.ts';
import { announcementsFor } from '../core/bgp/steering.ts';
import { initialState } from '../core/decide/index.ts';
import type { Observation } from '../core/model/observation.ts';
import type { Plan } from '../core/model/plan.ts';
import type { Settings } from '../core/settings/index.ts';
import type { EngineOptions, EngineSnapshot, WireEngine } from '../engine/index.ts';
import { type MetricsListener, makeRegistry, openMetricsListener } from '../metrics/index.ts';
import type { Speaker, SpeakerOptions } from '../speaker/index.ts';
import { answersOf } from './answers.ts';
import { type Clock, every } from './clock.ts';
import { Conditions } from './conditions.ts';
import {
  cycleTimesOf,
  ladderOf,
  peeringsOf,
  policyOf,
  routerIdOf,
  steeredLinksOf,
  tablesOf,
  wiresOf,
} from './configure.ts';
import { readings, type Scrape } from './families.ts';
import { Loop } from './loop.ts';
import { observe } from './observe.ts';
import { Tally } from './tally.ts';
import { complaints, type Picture } from './views.ts';
import { SnapshotWindow } from './window.ts';

/** The part of a pino logger that is used here. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What touches the world, handed in by `headgate run`, or by a test that puts something simpler in its place. */
export interface Parts {
  readonly clock: Clock;
  readonly log: Log;
  readonly openWires: (options: EngineOptions) => WireEngine;
  readonly createSpeaker: (options: SpeakerOptions) => Speaker;
  /** IPv4 and IPv6 addresses of an interface. */
  readonly addressesOf: (port: string) => readonly string[];
  /** The first line of a file that holds a key. Throws HeadgateError. */
  readonly readSecret: (path: string) => string;
  readonly chown: (path: string, gid: number) => void;
  /** Number of a group by its name. Throws HeadgateError. */
  readonly groupId: (name: string) => number;
}

export interface Unit {
  /** Where `/metrics` is, if anywhere. */
  readonly metrics: Pick<MetricsListener, 'address' | 'port'> | undefined;
  /** Runs one cycle now, beside the schedule. */
  turn(): void;
  /** Ends everything in reverse order: announcements first, packets last. Twice is harmless. */
  stop(): Promise<void>;
}

/** Starts a unit. Throws HeadgateError when a component cannot be opened; what was open by then is closed. */
export async function startUnit(settings: Settings, parts: Parts): Promise<Unit> {
  const { clock, log } = parts;
  const closers: Array<() => void | Promise<void>> = [];
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= closeAll(closers, log);
    return stopping;
  };

  try {
    const started = clock.wall();
    const tally = new Tally();
    const conditions = new Conditions();
    // Opened first, since it also refuses a second unit; answered as soon as there is something to say.
    const answers = new Map<string, Answer>();
    const control = await openControlServer({
      socket: settings.control.socket,
      ...(settings.control.group === undefined
        ? {}
        : { gid: parts.groupId(settings.control.group) }),
      answers,
      chown: parts.chown,
      onFailure: (command, error) => log.error({ command, err: error }, 'a command failed'),
    });
    closers.push(() => control.close());

    const engine =
      settings.wires.length === 0
        ? undefined
        : parts.openWires({ wires: wiresOf(settings), tables: tablesOf(settings) });
    if (engine) closers.push(() => engine.close());
    for (const finding of engine?.findings ?? []) log.info({ finding }, 'wire');

    const speaker = makeSpeaker(settings, parts);
    if (speaker) closers.push(() => speaker.stop('the unit is stopped'));

    const times = cycleTimesOf(settings);
    const window = new SnapshotWindow(times.averageMs);
    const loop = new Loop({
      mode: settings.mode,
      policy: policyOf(settings),
      initial: initialState(),
      act: (plan, observation) => announce(settings, speaker, plan, observation),
      onCycle: (cycle) => tally.noteCycle(cycle),
    });

    const picture = (): Picture => ({
      settings,
      loop,
      at: clock.wall(),
      started,
      snapshot: window.latest,
      sessions: speaker?.sessions() ?? [],
      conditions,
    });
    const note = () => {
      const current = picture();
      const { began, ended } = conditions.update(
        current.at,
        complaints(loop.last?.observation, current),
      );
      for (const what of began) log.warn({ what }, 'attention');
      for (const what of ended) log.info({ what }, 'over');
    };

    let takenMs = clock.now();
    const measure = () => {
      const snapshot = takeSnapshot(engine, tally, log);
      if (!snapshot) return;
      window.add(snapshot);
      takenMs = clock.now();
    };
    const turn = () => {
      const from = clock.now();
      measure();
      const span = window.span();
      const observation = observe({
        at: clock.wall(),
        settings,
        ...(span ? { wire: { ...span, ageMs: clock.now() - takenMs } } : {}),
      });
      const cycle = loop.turn(observation);
      for (const move of cycle.decision.moves) {
        if (move.outcome !== 'pending') continue;
        const what = cycle.isCarriedOut ? 'move' : 'would move';
        log.info(
          { block: move.block, from: move.from, to: move.to, rung: move.rung },
          `${what}: ${move.reason}`,
        );
      }
      note();
      tally.noteTime(clock.now() - from);
    };

    for (const [command, answer] of answersOf({ picture, loop, speaker, note })) {
      answers.set(command, answer);
    }
    await speaker?.start();

    const groups = new Map(
      settings.blocks.flatMap((block) =>
        block.group === undefined ? [] : [[block.prefix, block.group] as const],
      ),
    );
    const registry = makeRegistry<Scrape>(readings, () => ({
      snapshot: takeSnapshot(engine, tally, log) ?? window.latest,
      sessions: speaker?.sessions() ?? [],
      loop,
      groups,
      conditions: conditions.list().length,
      moves: tally.moves,
      cycleSeconds: tally.cycleSeconds,
      failures: tally.failures,
      requests: control.counts,
      history: { bytes: 0, lost: new Map() },
    }));
    const { listen } = settings.metrics;
    const listener = listen && (await openMetricsListener(listen, registry));
    if (listener) closers.push(() => listener.close());

    measure();
    closers.push(every(clock, times.intervalMs, turn));
    log.info(
      { mode: settings.mode, links: settings.links.length, blocks: settings.blocks.length },
      'running',
    );
    return { metrics: listener, turn, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function makeSpeaker(settings: Settings, parts: Parts): Speaker | undefined {
  const secrets = new Map(
    settings.routers.flatMap(({ bgp }) =>
      bgp?.md5File === undefined ? [] : [[bgp.md5File, parts.readSecret(bgp.md5File)] as const],
    ),
  );
  const routers = peeringsOf(settings, secrets);
  if (routers.length === 0) return undefined;
  const routerId = routerIdOf(settings, parts.addressesOf);
  if (routerId === undefined) {
    throw new HeadgateError(
      'no_router_id',
      `${settings.management.interface ?? 'management'} has no IPv4 address to identify this unit in BGP; set management.router_id`,
    );
  }
  return parts.createSpeaker({
    routers,
    localAsn: settings.asn,
    routerId,
    networks: settings.networks.map(prefixOf),
    floor: settings.steering.floor,
    clock: parts.clock,
    log: parts.log,
  });
}

/** Hands the plan to the speaker: what is not in it is withdrawn. */
function announce(
  settings: Settings,
  speaker: Speaker | undefined,
  plan: Plan | undefined,
  observation: Observation | undefined,
): void {
  const down = new Set(
    observation?.links.flatMap((link): readonly string[] => (link.isUp ? [] : [link.link])),
  );
  speaker?.setDesired(
    announcementsFor({
      asn: settings.asn,
      links: steeredLinksOf(settings, (link) => !down.has(link)),
      blocks: plan?.blocks ?? [],
      ladder: ladderOf(settings),
    }),
  );
}

/** The engine's counters now. A failure is counted, and the samples grow old until decide freezes on them. */
function takeSnapshot(
  engine: WireEngine | undefined,
  tally: Tally,
  log: Log,
): EngineSnapshot | undefined {
  try {
    return engine?.snapshot();
  } catch (error) {
    if (!(error instanceof HeadgateError)) throw error;
    tally.noteFailure('engine');
    log.error({ err: error }, 'the wires gave no counters');
    return undefined;
  }
}

async function closeAll(
  closers: ReadonlyArray<() => void | Promise<void>>,
  log: Log,
): Promise<void> {
  for (const close of [...closers].reverse()) {
    try {
      await close();
    } catch (error) {
      log.error({ err: error }, 'closing failed; going on with the rest');
    }
  }
}
