/** Opens what touches the world, in the order in which one needs the other. */

import { dirname, join } from 'node:path';
import type { openCluster } from '../cluster/index.ts';
import { type Answer, AuditLog, type ControlServer, openControlServer } from '../control/index.ts';
import { HeadgateError } from '../core/base/error.ts';
import { prefixOf } from '../core/base/prefix.ts';
import type { Result } from '../core/base/result.ts';
import type { RememberedWeights } from '../core/decide/weights/index.ts';
import type { Settings } from '../core/settings/index.ts';
import type { EngineOptions, EngineSnapshot, NetworkCount, WireEngine } from '../engine/index.ts';
import { History } from '../history/index.ts';
import type { ArrivalWitness } from '../probe/index.ts';
import { BmpStation, RtrClient, type Speaker, type SpeakerOptions } from '../speaker/index.ts';
import type { Clock } from './clock.ts';
import {
  cycleTimesOf,
  engineOptionsOf,
  halvesOf,
  peeringsOf,
  routerIdOf,
  wiresOf,
} from './configure.ts';
import { Diary } from './face/diary.ts';
import type { Log } from './log.ts';
import { arrivalsOn } from './measure/own-probes.ts';
import { AsProximity } from './measure/proximity.ts';
import { makeSources, type Sources } from './measure/sources.ts';
import { type NameService, openNameService, resolverProbesOf } from './names.ts';
import { openingMarks, recallMarks } from './outbound/marks/mark-memory.ts';
import { spreadRouter } from './outbound/marks/marked-router.ts';
import { Recorder } from './recorder.ts';
import type { ConfiguredRouters } from './routes/configured.ts';
import { MrtDump } from './routes/mrt-dump.ts';
import { OriginCheck } from './routes/origin.ts';
import { openConfigured } from './routes/router-access.ts';
import { ToldPaths } from './routes/told-paths.ts';
import { VrpFile } from './routes/vrp-file.ts';
import { withSecrets } from './secrets.ts';
import { ownPart } from './units/cluster-settings.ts';
import { type Joined, joinUnits } from './units/join.ts';
import { followWires, WireHook } from './wire-hook.ts';

/** What touches the world, handed in by `headgate run`, or by a test that puts something simpler in its place. */
export interface Parts {
  readonly clock: Clock;
  readonly log: Log;
  readonly openWires: (options: EngineOptions) => WireEngine;
  readonly createSpeaker: (options: SpeakerOptions) => Speaker;
  /** Sockets with TCP MD5 and TTL security, for the sessions that are set so. */
  readonly sockets: Required<Pick<SpeakerOptions, 'openSocket' | 'openListener'>>;
  /** IPv4 and IPv6 addresses of an interface. */
  readonly addressesOf: (port: string) => readonly string[];
  /** The first line of a file that holds a key. Throws HeadgateError. */
  readonly readSecret: (path: string) => string;
  readonly chown: (path: string, gid: number) => void;
  /** Number of a group by its name. Throws HeadgateError. */
  readonly groupId: (name: string) => number;
  /** Who is at the other end of a connection's descriptor. */
  readonly peerOf?: (fd: number) => { readonly uid: number; readonly pid: number } | undefined;
  /** Name of a user by its number; the number as text unless given. */
  readonly userName?: (uid: number) => string;
  /** Reads the settings that this unit was started with anew, for `headgate reload`. */
  readonly readSettings?: () => Result<Settings, string>;
  /** Memory that this process has and may have; nothing is said of it unless given. */
  readonly memory?: () => Memory | undefined;
  /** Lines of the log that were given up because nobody took them. */
  readonly logLost?: () => number;
  /** Joins several units; over NATS unless given. */
  readonly openCluster?: typeof openCluster;
  /** Name of this machine, as notices give it. */
  readonly hostName?: string;
}

/** Memory that a process has, and the most that it may have. Bytes. */
export interface Memory {
  readonly used: number;
  readonly limit: number;
}

export interface Components {
  readonly control: ControlServer;
  readonly diary: Diary;
  /** Commands that the control socket answers; filled by the unit. */
  readonly answers: Map<string, Answer>;
  readonly history: History;
  /** Absent unless settings ask for a record. */
  readonly recorder: Recorder | undefined;
  /** Absent without wires. */
  readonly engine: WireEngine | undefined;
  /** Absent where no router is peered with. */
  readonly speaker: Speaker | undefined;
  /** Absent where no router tells by BMP. */
  readonly station: BmpStation | undefined;
  /** Absent unless settings ask for a dump of what sessions hear. */
  readonly dump: MrtDump | undefined;
  /** Absent where nothing is measured out of line. */
  readonly sources: Sources | undefined;
  /** Absent unless settings name a source of VRPs. */
  readonly origin: OriginCheck | undefined;
  /** Absent where no router is configured. */
  readonly configured: ConfiguredRouters | undefined;
  /** Absent for a unit that is alone. */
  readonly joined: Joined | undefined;
  /** Weights of outbound sessions that the wires were opened with; absent where no router reads marks. */
  readonly remembered: RememberedWeights | undefined;
  /** Absent where no names are steered. */
  readonly names: NameService | undefined;
}

/** Ways to close what was opened; run from the last to the first. */
export type Closers = Array<() => void | Promise<void>>;

/**
 * Throws HeadgateError when one cannot be opened; what was open by then is in `closers`. Of several units, `unit` is
 * this one, and only what it has is opened.
 */
export async function openComponents(
  all: Settings,
  unit: string | undefined,
  parts: Parts,
  closers: Closers,
): Promise<Components> {
  const { log } = parts;
  const settings = ownPart(all, unit);
  const answers = new Map<string, Answer>();
  // First, since it also refuses a second unit with the same settings; it answers nothing before the unit fills it.
  let diary: Diary | undefined;
  const control = await openControlServer({
    ...doorsOf(settings, parts),
    answers,
    chown: parts.chown,
    ...(parts.peerOf ? { peerOf: parts.peerOf } : {}),
    onAct: (act) => diary?.acted(act),
    onRead: (read) => diary?.read(read),
    onFailure: (command, error) => log.error({ command, err: error }, 'a command failed'),
  });
  closers.push(() => control.close());
  diary = new Diary(
    new AuditLog(auditPath(settings)),
    parts.clock.wall,
    parts.userName ?? ((uid) => String(uid)),
  );
  closers.push(() => diary?.close());

  const history = new History({
    path: settings.history.path,
    keepMs: settings.history.keep,
    bytesMax: settings.history.maxSize,
    warn: (message) => log.warn({}, message),
  });
  closers.push(() => history.close());

  const { record } = settings;
  const recorder = record && new Recorder({ path: record.path, bytesMax: record.maxSize });
  if (recorder) closers.push(() => recorder.close());

  const joined = unit === undefined ? undefined : await joinUnits(all, unit, parts);
  // Before the speaker: goodbye is said when its announcements have been taken back.
  if (joined) closers.push(() => joined.close());

  const remembered =
    spreadRouter(settings) === undefined
      ? undefined
      : recallMarks(history.recall(), settings, parts.clock.wall());
  const sizes = engineOptionsOf(settings);
  const engine =
    settings.wires.length === 0
      ? undefined
      : parts.openWires({
          wires: wiresOf(settings),
          ...sizes,
          tables: { ...sizes.tables, ...(remembered && openingMarks(remembered)) },
          ...halvesOf(all),
        });
  if (engine) closers.push(() => engine.close());
  for (const finding of engine?.findings ?? []) log.info({}, finding);
  const hooks = hooksOf(settings, log);
  if (engine && hooks.length > 0) closers.push(followWires(engine, hooks, parts.clock));

  const opened = withSecrets(settings, parts.readSecret);
  const dump = openDump(settings, parts);
  if (dump) closers.push(() => dump.close());
  const station = await openStation(settings, parts);
  if (station) closers.push(() => station.stop());
  const speaker = makeSpeaker(opened, parts, dump, station);
  if (speaker) closers.push(() => speaker.stop('the unit is stopped'));
  const configured = openConfigured(settings, speaker, parts);
  if (configured) closers.push(() => configured.stop());

  const { averageMs } = cycleTimesOf(settings);
  const witness = engine && wireWitness(engine, parts.clock);
  const networks = engine && networksOf(engine);
  const proximity = new AsProximity(settings.links, speaker?.rib);
  // Not waited for: dumps are long, and until they are read proximity only knows less.
  if (settings.proximity) void proximity.load(settings.proximity, log);
  const sources = makeSources(opened, averageMs, parts.clock, log, {
    routes: speaker && new ToldPaths(speaker, station),
    witness,
    proximity,
    networks,
  });
  if (sources) closers.push(() => sources.stop());

  const serial = Math.floor(parts.clock.wall() / 1000);
  const probes = { ...resolverProbesOf(settings), ...(witness ? { witness } : {}) };
  const routes = speaker && {
    table: speaker.rib,
    isComplete: () => speaker.sessions().every(({ phase }) => phase === 'established'),
  };
  const names = await openNameService(all, probes, serial, {
    routes,
    proximity,
    networks,
  });
  if (names) closers.push(() => names.close());
  const origin = openOrigin(settings, parts, closers);
  return {
    control,
    diary,
    answers,
    history,
    recorder,
    engine,
    speaker,
    station,
    dump,
    sources,
    origin,
    configured,
    remembered,
    names,
    joined,
  };
}

/** Those of the moment; none where the wires cannot tell, which their counters then say too. */
export const networksOf = (engine: WireEngine) => (): readonly NetworkCount[] => {
  try {
    return engine.networks();
  } catch (error) {
    if (error instanceof HeadgateError) return [];
    throw error;
  }
};

/** The wires as witness of the ways that answers to our probes take. */
function wireWitness(engine: WireEngine, clock: Clock): ArrivalWitness {
  let latest: { readonly at: number; readonly snapshot: EngineSnapshot } | undefined;
  return (address) => {
    // One look answers for all sources: reading the counters is not free.
    if (!latest || clock.now() - latest.at > 50) {
      try {
        latest = { at: clock.now(), snapshot: engine.snapshot() };
      } catch (error) {
        if (error instanceof HeadgateError) return undefined;
        throw error;
      }
    }
    return arrivalsOn(latest.snapshot, address);
  };
}

function hooksOf({ wires }: Settings, log: Log): readonly WireHook[] {
  return wires.flatMap(({ name, hook, hookTimeout }) =>
    hook
      ? [
          new WireHook({
            wire: name,
            command: hook,
            timeoutMs: hookTimeout,
            onFailure: (wire, event, why) => log.error({ wire, event }, `the hook failed: ${why}`),
          }),
        ]
      : [],
  );
}

/** Runs them all, whatever fails. */
export async function closeAll(closers: Closers, log: Log): Promise<void> {
  for (const close of [...closers].reverse()) {
    try {
      await close();
    } catch (error) {
      log.error({ err: error }, 'closing failed; going on with the rest');
    }
  }
}

function openOrigin(settings: Settings, parts: Parts, closers: Closers): OriginCheck | undefined {
  const { rpki, asn, networks } = settings;
  if (!rpki) return undefined;
  const { caches, vrps, maxAge, requireRoa } = rpki;
  if (vrps !== undefined) return new OriginCheck(new VrpFile(vrps, maxAge), requireRoa, asn);
  const client = new RtrClient({
    caches: caches ?? [],
    networks: networks.map(prefixOf),
    maxAgeMs: maxAge,
    clock: parts.clock,
    log: parts.log,
  });
  client.start();
  closers.push(() => client.stop());
  return new OriginCheck(client, requireRoa, asn);
}

/** The sockets of the commands: one for everything, and one for each group that may do less. */
function doorsOf({ control }: Settings, { groupId }: Parts) {
  const { socket, group, approveGroup, readGroup } = control;
  return {
    socket,
    ...(group === undefined ? {} : { gid: groupId(group) }),
    lesser: [
      ...(approveGroup === undefined
        ? []
        : [{ role: 'approve' as const, gid: groupId(approveGroup) }]),
      ...(readGroup === undefined ? [] : [{ role: 'read' as const, gid: groupId(readGroup) }]),
    ],
  };
}

export const auditPath = ({ control, history }: Settings): string =>
  control.audit ?? join(dirname(history.path), 'audit.log');

function openDump({ mrt }: Settings, { clock }: Parts): MrtDump | undefined {
  return mrt && new MrtDump({ path: mrt.path, bytesMax: mrt.maxSize, wall: () => clock.wall() });
}

/** Throws HeadgateError `listen_failed`. */
async function openStation(
  { bmp, routers, asn }: Settings,
  { log }: Parts,
): Promise<BmpStation | undefined> {
  if (!bmp) return undefined;
  const { listen, maxPaths } = bmp;
  const station = new BmpStation({ listen, routers, localAsn: asn, maxPaths, log });
  await station.start();
  return station;
}

function makeSpeaker(
  settings: Settings,
  parts: Parts,
  dump: MrtDump | undefined,
  station: BmpStation | undefined,
): Speaker | undefined {
  const routers = peeringsOf(settings);
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
    ...(dump
      ? {
          dump: {
            message: (heard) => dump.addMessage(heard),
            state: (heard) => dump.addState(heard),
          },
        }
      : {}),
    ...(station ? { monitor: station } : {}),
    clock: parts.clock,
    log: parts.log,
    ...(routers.some((router) => router.md5 ?? router.ttlSecurityHops) ? parts.sockets : {}),
    ...(routers.some((router) => router.passive) ? { listen: listenAt(settings) } : {}),
  });
}

/** Where passive sessions come in: our management address, else every address. */
function listenAt({ management, routers }: Settings) {
  const isIpv6 = routers.some((router) => router.bgp?.passive && router.address.includes(':'));
  return { address: management.address ?? (isIpv6 ? '::' : '0.0.0.0'), port: 179 };
}
