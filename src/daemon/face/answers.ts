/** What the unit answers on its control socket: one function per command. */

import type { Answer, ControlError } from '../../control/index.ts';
import { formatPrefix, parsePrefix } from '../../core/base/prefix.ts';
import { err, ok, type Result } from '../../core/base/result.ts';
import type { PrefixText } from '../../core/base/units.ts';
import { explain } from '../../core/decide/index.ts';
import type { History, Quality, Usage } from '../../history/index.ts';
import type { Speaker } from '../../speaker/index.ts';
import type { Loop } from '../loop.ts';
import { billView } from '../money/bill.ts';
import { usageOver } from '../money/block-usage.ts';
import type { ConfiguredRouters } from '../routes/configured.ts';
import {
  blockRttView,
  blockViews,
  keptMoveView,
  linkViews,
  moveView,
  type Picture,
  planView,
  statusView,
} from './views.ts';

export interface AnswerParts {
  readonly picture: () => Picture;
  readonly loop: Loop;
  readonly speaker: Speaker | undefined;
  readonly configured: ConfiguredRouters | undefined;
  readonly history: History;
  /** Brings the list of complaints up to date after something was changed by hand. */
  readonly note: () => void;
}

type Args = Readonly<Record<string, unknown>>;

/** Moves that an explanation ends with, newest first. */
const movesExplained = 10;
const movesListed = 100;
const dayMs = 86_400_000;

const refused = (message: string) => err<ControlError>({ code: 'refused', message });
const badArgument = (message: string) => err<ControlError>({ code: 'bad_argument', message });

export function answersOf(parts: AnswerParts): ReadonlyMap<string, Answer> {
  const { picture, loop, speaker, configured } = parts;
  return new Map<string, Answer>([
    ['status', () => ok(statusView(picture()))],
    ['links', () => ok(linkViews(picture()))],
    ['blocks', () => ok(blockViews(picture()))],
    ['plan', () => ok(planView(picture()))],
    ['resolvers', () => ok(resolversOf(picture()))],
    ['sessions', () => ok(sessionsOf(picture()))],
    ['explain', (args) => explainBlock(parts, args)],
    ['history', (args) => historyOf(parts, args)],
    ['cycle', (args) => cycleOf(parts, args)],
    ['usage', (args) => usageOf(parts, args)],
    ['bill', () => ok(billView(picture(), parts.history))],
    ['approve', (args) => approve(parts, args)],
    ['withdraw', (args) => withdraw(parts, args)],
    [
      'resume',
      ({ alone }) => {
        loop.stepAside(false);
        if (alone !== true) loop.resume();
        if (!loop.isWithdrawn) {
          speaker?.resume();
          configured?.hold(false);
        }
        parts.note();
        return ok({ is_withdrawn: loop.isWithdrawn });
      },
    ],
  ]);
}

/** The input of a decision, whole: with it the decision can be taken again elsewhere. */
function cycleOf({ loop, history }: AnswerParts, { at }: Args) {
  if (at !== undefined && typeof at !== 'number') return badArgument('expected at in milliseconds');
  const cycle = at === undefined ? loop.last : history.cycleAt(at);
  if (!cycle) return refused('no decision of that time; ask again after the first cycle');
  const { observation, policy, before, mode, isCarriedOut } = cycle;
  return ok({ observation, policy, before, mode, isCarriedOut });
}

/** A unit that follows has decided nothing, and never will. */
const notYet = ({ cluster }: Picture): string =>
  cluster && cluster.leader !== null && cluster.leader !== cluster.unit
    ? `${cluster.unit} did not decide, ${cluster.leader} did: leave --unit away`
    : 'nothing was measured yet; ask again after the first cycle';

function explainBlock({ loop, history, picture }: AnswerParts, args: Args) {
  const wanted = blockOf(picture(), args.prefix);
  if (!wanted.ok) return wanted;
  const { at } = args;
  if (at !== undefined && typeof at !== 'number') return badArgument('expected at in milliseconds');
  const last = at === undefined ? loop.last : history.cycleAt(at);
  if (!last) {
    return refused(
      at === undefined
        ? notYet(picture())
        : 'history has no decision of that time; headgate history shows what it has',
    );
  }
  const explanation = explain(wanted.value, last.observation, last.policy, last.before);
  if (!explanation) return refused(`${wanted.value} was in no decision of that time`);
  const until = last.observation.at;
  const moves = history.moves({ from: 0, to: until }, wanted.value, movesExplained);
  return ok({
    prefix: wanted.value,
    at: last.observation.at,
    text: explanation.text,
    age_ms: explanation.ageMs,
    coverage: explanation.coverage,
    candidates: explanation.candidates.map((candidate) => ({
      link: candidate.link ?? null,
      rung: candidate.rung,
      score: candidate.score,
      terms: candidate.terms,
      share: candidate.share,
      ...(candidate.rejectedBy === undefined ? {} : { rejected_by: candidate.rejectedBy }),
    })),
    verdicts: explanation.verdicts,
    moves: moves.map(keptMoveView),
    ...(at === undefined ? blockRttView(picture().blockRtts, wanted.value) : {}),
  });
}

function usageOf({ history, picture }: AnswerParts, args: Args) {
  const { settings, at } = picture();
  const { to = at, from = (typeof to === 'number' ? to : at) - dayMs, by = 'block' } = args;
  if (typeof from !== 'number' || typeof to !== 'number')
    return badArgument('expected from and to in milliseconds');
  if (by !== 'block' && by !== 'group') return badArgument('expected by as block or group');
  const span = { from, to };
  return ok(usageOver(history.blockSamples(span), span, settings.blocks, by));
}

function approve({ loop, note }: AnswerParts, args: Args) {
  if (args.id !== undefined && typeof args.id !== 'string') {
    return badArgument('expected the id of a proposal, as headgate plan shows it');
  }
  const approved = loop.approve(args.id);
  if (!approved.ok) return refused(approved.error);
  note();
  const { id, decision } = approved.value;
  const moves = decision.moves.filter((move) => move.outcome === 'pending');
  return ok({ id, generation: decision.plan.generation, moves: moves.map(moveView) });
}

function withdraw(parts: AnswerParts, args: Args) {
  const { loop, speaker, configured, picture, note } = parts;
  const { at } = picture();
  if (args.alone === true && args.all !== true)
    return refused('a block is steered by all units together: leave --unit away, or --all of one');
  if (args.all === true) {
    if (args.alone === true) loop.stepAside(true);
    else loop.withdraw(at, undefined);
    speaker?.withdrawAll();
    configured?.hold(true);
    note();
    return ok({ withdrawn: 'all' });
  }
  if (!Array.isArray(args.prefixes) || args.prefixes.length === 0) {
    return badArgument('expected prefixes, or all: true');
  }
  const blocks: PrefixText[] = [];
  for (const entry of args.prefixes) {
    const block = blockOf(picture(), entry);
    if (!block.ok) return block;
    blocks.push(block.value);
  }
  loop.withdraw(at, blocks);
  note();
  return ok({ withdrawn: blocks });
}

/** The block of ours that a text names: the prefix itself, or the one that covers an address. */
export function blockOf(
  { settings }: Pick<Picture, 'settings'>,
  text: unknown,
): Result<PrefixText, ControlError> {
  const parsed = typeof text === 'string' ? parsePrefix(text) : undefined;
  if (!parsed?.ok)
    return badArgument(`"${String(text)}" is no prefix; expected one such as 198.51.100.0/24`);
  const wanted = formatPrefix(parsed.value);
  const found = settings.blocks.find((block) => block.prefix === wanted);
  if (!found) {
    return err({
      code: 'not_found',
      message: `${wanted} is none of our blocks; headgate blocks lists them`,
    });
  }
  return ok(found.prefix);
}

function historyOf({ history, picture }: AnswerParts, args: Args) {
  const { from = 0, to = picture().at, limit = movesListed } = args;
  if (typeof from !== 'number' || typeof to !== 'number' || typeof limit !== 'number') {
    return badArgument('expected from, to (milliseconds) and limit as numbers');
  }
  const block = args.prefix === undefined ? undefined : blockOf(picture(), args.prefix);
  if (block && !block.ok) return block;
  const span = { from, to };
  return ok({
    from,
    to,
    moves: history.moves(span, block?.value, limit).map(keptMoveView),
    rails: history.rails(span),
    ...(args.samples === true
      ? {
          usage: history.usage(span).map(usageView),
          quality: history.quality(span).map(qualityView),
        }
      : {}),
  });
}

const usageView = (usage: Usage) => ({
  at: usage.at,
  link: usage.link,
  inbound_bytes: usage.inboundL2,
  outbound_bytes: usage.outboundL2,
  inbound_ip_bytes: usage.inboundIp,
  outbound_ip_bytes: usage.outboundIp,
  covered_ms: usage.coveredMs,
});

const qualityView = ({ at, link, retransmission, rttUs, loss }: Quality) => ({
  at,
  link,
  retransmission_ratio: retransmission,
  rtt_us: rttUs,
  loss_ratio: loss,
});

function resolversOf({ snapshot }: Picture) {
  const all = snapshot?.resolvers ?? [];
  const total = all.reduce((sum, entry) => sum + entry.queries, 0);
  return [...all]
    .sort((a, b) => b.queries - a.queries || (a.address < b.address ? -1 : 1))
    .map(({ address, queries }) => ({
      address,
      queries,
      share: total === 0 ? 0 : queries / total,
    }));
}

/** TCP as the table of sessions sees it, by link. */
function sessionsOf({ snapshot }: Picture) {
  return {
    live: snapshot?.sessions.live ?? 0,
    capacity: snapshot?.sessions.capacity ?? 0,
    links: (snapshot?.links ?? []).map(({ link, tcp, rtt }) => ({
      link: link ?? null,
      inbound: tcpView(tcp.inbound),
      outbound: tcpView(tcp.outbound),
      rtt_us: { inside: rttView(rtt.inside), outside: rttView(rtt.outside) },
    })),
  };
}

type LinkCounts = NonNullable<Picture['snapshot']>['links'][number];

function tcpView(tcp: LinkCounts['tcp']['inbound']) {
  return {
    data_segments: tcp.dataSegments,
    retransmitted_segments: tcp.retransmittedSegments,
    lost_before: tcp.lostBefore,
    lost_beyond: tcp.lostBeyond - tcp.needless,
    spurious: tcp.spurious + tcp.needless,
    reordered: tcp.reordered,
  };
}

function rttView({ samples, p50Us, p95Us, p99Us }: LinkCounts['rtt']['inside']) {
  return { samples, p50: p50Us ?? null, p95: p95Us ?? null, p99: p99Us ?? null };
}
