/** The unit's state as the control socket shows it. Pure: what is given is what is shown. */

import type {
  BlockRttView,
  BlockView,
  ClusterView,
  LinkView,
  MoveView,
  PlanView,
  QuicView,
  RouterView,
  StatusView,
  WireView,
} from '../../control/index.ts';
import type { PrefixText, RouterId } from '../../core/base/units.ts';
import type { DecidedMove } from '../../core/decide/state.ts';
import type {
  BlockObservation,
  LinkObservation,
  Observation,
} from '../../core/model/observation.ts';
import type { Settings } from '../../core/settings/index.ts';
import type { BlockRtts, EngineSnapshot, QuicCount } from '../../engine/index.ts';
import type { KeptMove } from '../../history/index.ts';
import type { AnnouncedRoute, SessionStatus } from '../../speaker/index.ts';
import type { Loop } from '../loop.ts';
import type { KeptRegrouping } from '../regrouping.ts';
import type { Conditions } from './conditions.ts';

/** All that the views are made of. */
export interface Picture {
  readonly settings: Settings;
  readonly loop: Loop;
  readonly at: number;
  readonly started: number;
  readonly snapshot: EngineSnapshot | undefined;
  /** Absent without wires, and before the first cycle. */
  readonly blockRtts?: BlockRtts | undefined;
  readonly sessions: readonly SessionStatus[];
  /** What every router is to hear, by router. */
  readonly announced?: ReadonlyMap<RouterId, readonly AnnouncedRoute[]>;
  readonly conditions: Conditions;
  /** What was measured last: by this unit, or by all while it decides for them. */
  readonly seen: Observation | undefined;
  /** Absent for a unit that is alone. */
  readonly cluster?: ClusterView;
  /** Present where settings let blocks be divided anew. */
  readonly regroupings?: readonly KeptRegrouping[];
}

export function statusView(picture: Picture): StatusView {
  const { loop, snapshot, sessions, conditions, at, started } = picture;
  const reasons = conditions.list();
  const plan = loop.state.plan;
  const proposal = loop.proposal;
  return {
    mode: loop.mode,
    state: reasons.length === 0 ? 'ok' : 'attention',
    reasons,
    started,
    at,
    cycles: loop.cycles,
    is_withdrawn: loop.isSilent,
    wires: (snapshot?.wires ?? []).map(wireView),
    routers: sessions.map(routerView),
    plan: {
      generation: plan.generation,
      at: plan.at,
      steered: plan.blocks.filter((entry) => entry.link !== undefined).length,
      blocks: plan.blocks.length,
    },
    ...(picture.cluster ? { cluster: picture.cluster } : {}),
    ...(proposal === undefined
      ? {}
      : { proposal: { id: proposal.id, moves: carriedOut(proposal.decision.moves).length } }),
  };
}

export function wireView(wire: EngineSnapshot['wires'][number]): WireView {
  return {
    name: wire.wire,
    driver: wire.driver,
    driver_reason: wire.driverReason,
    state: wire.state,
    inbound_packets: wire.unit.inbound.packets,
    outbound_packets: wire.unit.outbound.packets,
    coverage: wire.coverage,
    lost: wire.lost,
    ...(wire.quic ? { quic: quicView(wire.quic) } : {}),
  };
}

function quicView(quic: QuicCount): QuicView {
  return {
    sessions: quic.sessions,
    spinning: quic.spinning,
    packets_refused: quic.packetsRefused,
    rtt_us: { samples: quic.samples, p5: quic.rttUsP5 ?? null, p25: quic.rttUsP25 ?? null },
  };
}

export function routerView(session: SessionStatus): RouterView {
  return {
    name: session.router,
    address: session.address,
    asn: session.asn,
    phase: session.phase,
    phase_ms: session.phaseMs,
    paths_received: session.pathsReceived,
    prefixes_announced: session.prefixesAnnounced,
    ...(session.lastError ? { last_error: session.lastError.text } : {}),
  };
}

export function linkViews({ settings, seen: last, snapshot }: Picture): readonly LinkView[] {
  const seen = byKey(last?.links, (link) => link.link);
  const counted = byKey(snapshot?.links, (link) => link.link ?? '');
  return settings.links.map((link) => {
    const now = seen.get(link.name);
    const bytes = counted.get(link.name);
    return {
      name: link.name,
      asn: link.asn,
      ...(link.router === undefined ? {} : { router: link.router }),
      is_up: now?.isUp ?? true,
      capacity_bitps: now?.capacity ?? link.capacity,
      ...measured(now),
      inbound_bytes: bytes?.inbound.l2Bytes ?? 0,
      outbound_bytes: bytes?.outbound.l2Bytes ?? 0,
      ...(snapshot ? { counted_monotonic_ms: snapshot.monotonicMs } : {}),
    };
  });
}

function measured(now: LinkObservation | undefined): Partial<LinkView> {
  if (!now?.inbound && !now?.outbound) return {};
  const inbound = now.inbound?.value ?? 0;
  const outbound = now.outbound?.value ?? 0;
  const one = now.inbound ?? now.outbound;
  return {
    inbound_bitps: Math.round(inbound),
    outbound_bitps: Math.round(outbound),
    utilisation: Math.max(inbound, outbound) / now.capacity,
    ...(one ? { age_ms: one.ageMs, coverage: one.coverage } : {}),
    ...(now.retransmissionRatio ? { retransmission_ratio: now.retransmissionRatio.value } : {}),
    ...(now.lossRatio ? { loss_ratio: now.lossRatio.value } : {}),
    ...(now.rttUs ? { rtt_us: now.rttUs.value } : {}),
    ...(now.congestion
      ? {
          congestion: now.congestion.map(({ direction, value, isCongested, reasons }) => ({
            direction,
            value,
            is_congested: isCongested,
            reasons,
          })),
        }
      : {}),
    ...(now.comparisons
      ? {
          comparisons: now.comparisons.map(({ direction, rates, ratio }) => ({
            direction,
            rates: rates.map(({ source, rate }) => ({ source, bitps: Math.round(rate) })),
            ratio,
          })),
        }
      : {}),
  };
}

export function blockViews({
  settings,
  loop,
  snapshot,
  blockRtts,
  seen: last,
}: Picture): readonly BlockView[] {
  const seen = byKey(last?.blocks, (block) => block.block);
  const planned = byKey(loop.state.plan.blocks, (entry) => entry.block);
  const bytes = new Map<string, { inbound: number; outbound: number }>();
  for (const count of snapshot?.blocks ?? []) {
    const sum = bytes.get(count.block) ?? { inbound: 0, outbound: 0 };
    sum[count.direction] += count.l2Bytes;
    bytes.set(count.block, sum);
  }
  return settings.blocks.map(({ prefix, group }) => {
    const now = seen.get(prefix);
    const plan = planned.get(prefix);
    const counted = bytes.get(prefix);
    return {
      prefix,
      ...(group === undefined ? {} : { group }),
      link: plan?.link ?? null,
      rung: plan?.rung ?? 0,
      reason: plan?.reason ?? 'not announced by this unit',
      inbound_bitps: total(now?.inbound),
      outbound_bitps: total(now?.outbound),
      inbound: (now?.inbound ?? []).map(byLink),
      outbound: (now?.outbound ?? []).map(byLink),
      ...(now ? { coverage: now.coverage } : {}),
      inbound_bytes: counted?.inbound ?? 0,
      outbound_bytes: counted?.outbound ?? 0,
      ...blockRttView(blockRtts, prefix),
    };
  });
}

export function blockRttView(
  rtts: BlockRtts | undefined,
  block: PrefixText,
): { readonly rtt_us?: BlockRttView } {
  const rtt = rtts?.of(block);
  // Most of very many blocks have none, and an answer is long enough without saying so.
  if (!rtts || !rtt || rtt.samples === 0) return {};
  const { samples, p50Us, p95Us } = rtt;
  return {
    rtt_us: {
      over_ms: Math.round(rtts.overMs),
      samples,
      p50: p50Us ?? null,
      p95: p95Us ?? null,
    },
  };
}

type Rates = BlockObservation['inbound'];
const byLink = ({ link, rate }: Rates[number]) => ({ link, bitps: Math.round(rate) });
const total = (rates: Rates | undefined) =>
  Math.round((rates ?? []).reduce((sum, entry) => sum + entry.rate, 0));

export function planView({ loop, regroupings }: Picture): PlanView {
  const { plan, frozen } = loop.state;
  const proposal = loop.proposal;
  return {
    mode: loop.mode,
    generation: plan.generation,
    at: plan.at,
    is_withdrawn: loop.isWithdrawn,
    ...(frozen ? { frozen } : {}),
    blocks: plan.blocks.map(({ block, link, rung, reason }) => ({
      prefix: block,
      link: link ?? null,
      rung,
      reason,
    })),
    ...(proposal
      ? { proposal: { id: proposal.id, moves: carriedOut(proposal.decision.moves).map(moveView) } }
      : {}),
    ...(regroupings ? { regroupings } : {}),
    moves: loop.moves.map(moveView),
    stopped: loop.stopped.map(moveView),
  };
}

export function moveView(move: DecidedMove): MoveView {
  const stopper = move.verdicts.find((verdict) => verdict.result !== 'pass');
  return {
    at: move.at,
    block: move.block,
    from: move.from ?? null,
    to: move.to ?? null,
    rung: move.rung,
    outcome: move.outcome,
    reason: move.reason,
    predicted_shift_bitps: Math.round(move.predictedShiftBitps),
    ...(move.judged
      ? { share_predicted: move.judged.predicted, share_seen: move.judged.seen }
      : {}),
    ...(stopper ? { rail: stopper.rail, rail_reason: stopper.reason } : {}),
  };
}

export const keptMoveView = (move: KeptMove): MoveView => ({
  at: move.at,
  block: move.block,
  from: move.from,
  to: move.to,
  rung: move.rung,
  outcome: move.outcome,
  reason: move.reason,
  predicted_shift_bitps: Math.round(move.predictedShiftBitps),
  ...(move.sharePredicted === null ? {} : { share_predicted: move.sharePredicted }),
  ...(move.shareSeen === null ? {} : { share_seen: move.shareSeen }),
});

const carriedOut = (moves: readonly DecidedMove[]) =>
  moves.filter((move) => move.outcome === 'pending');

function byKey<T>(
  entries: readonly T[] | undefined,
  key: (entry: T) => string,
): ReadonlyMap<string, T> {
  return new Map((entries ?? []).map((entry) => [key(entry), entry]));
}

/** How a complaint about the whole plan begins. */
export const nothingMoved = 'nothing is moved:';

/** What a person should know although the unit goes on: each with a key under which its beginning is kept. */
export function complaints({
  loop,
  snapshot,
  sessions,
  announced,
  seen,
  cluster,
}: Picture): Map<string, string> {
  const found = new Map<string, string>();
  for (const wire of snapshot?.wires ?? []) {
    if (wire.state === 'forwarding') continue;
    const what =
      wire.state === 'down' ? 'a port is down' : 'the kernel forwards, nothing is measured';
    found.set(`wire ${wire.wire}`, `wire ${wire.wire}: ${what}`);
  }
  for (const session of sessions) {
    if (session.phase === 'established') continue;
    const why = session.lastError ? `, last error: ${session.lastError.text}` : '';
    found.set(
      `router ${session.router}`,
      `router ${session.router}: no BGP session (${session.phase}${why})`,
    );
  }
  for (const [router, blocks] of heldBackBy(announced)) {
    found.set(
      `held ${router}`,
      `${blocks} blocks are announced by no router while ${router} does not carry them, since its links would lose their traffic; set its bgp.required: false to go on without it`,
    );
  }
  for (const link of seen?.links ?? []) {
    if (!link.isUp) found.set(`link ${link.link}`, `link ${link.link} is down`);
  }
  const { frozen } = loop.state;
  if (frozen) found.set('frozen', `${nothingMoved} ${someOf(frozen.reasons)}`);
  if (loop.isWithdrawn) {
    found.set(
      'withdrawn',
      'all announcements are withdrawn by the operator; headgate resume ends it',
    );
  }
  if (loop.isAside) {
    found.set(
      'aside',
      `the announcements of this unit are withdrawn by the operator; headgate resume --unit ${cluster?.unit ?? ''} ends it`,
    );
  }
  if (loop.withheld.size > 0) {
    const blocks = someOf([...loop.withheld]);
    found.set('withheld', `withdrawn by the operator until headgate resume: ${blocks}`);
  }
  return found;
}

/** How many blocks wait for each router that does not carry them. */
function heldBackBy(announced: Picture['announced']): ReadonlyMap<RouterId, number> {
  const waiting = new Map<RouterId, Set<string>>();
  for (const routes of announced?.values() ?? []) {
    for (const { announcement, waitsFor } of routes) {
      if (waitsFor === undefined) continue;
      const blocks = waiting.get(waitsFor) ?? new Set();
      waiting.set(waitsFor, blocks.add(announcement.prefix));
    }
  }
  return new Map([...waiting].map(([router, blocks]) => [router, blocks.size]));
}

/** The first few of what may be a line per block. */
function someOf(reasons: readonly string[]): string {
  const more = reasons.length - 3;
  return reasons.slice(0, 3).join('; ') + (more > 0 ? `; and ${more} more` : '');
}
