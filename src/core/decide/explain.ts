import { whole } from '../base/slices.ts';
import type { PrefixText } from '../base/units.ts';
import type { Observation } from '../model/observation.ts';
import { candidatesOf } from './candidates.ts';
import { describeCongestion } from './congestion.ts';
import { makeContext } from './context.ts';
import { effectOf, uncertaintyOf } from './effects.ts';
import type { Group } from './group.ts';
import { buildNetwork, type Network, utilisation } from './network.ts';
import type { Policy } from './policy.ts';
import { dampingPenalty, penaltyPerChange } from './rails/damping.ts';
import { freezeReasons } from './rails/freeze.ts';
import { judge } from './rails/index.ts';
import { duration, type Proposal, percent, type RailContext } from './rails/rail.ts';
import { scoreTerms, sumTerms } from './score.ts';
import { type Judged, sourceOf } from './search.ts';
import { changeBetween, changed, type Spread, shareOn } from './spread.ts';
import type { Candidate, Explanation, State, Verification } from './state.ts';

/** 12,345,678 → `12.3 Mb/s`. */
export function formatRate(bitps: number): string {
  if (bitps >= 1e9) return `${(bitps / 1e9).toFixed(2)} Gb/s`;
  if (bitps >= 1e6) return `${(bitps / 1e6).toFixed(1)} Mb/s`;
  return `${(bitps / 1e3).toFixed(1)} kb/s`;
}

/** Why a change is proposed, in one sentence with its figures. */
export function describeMove(
  proposal: Proposal,
  context: RailContext,
  verifications: readonly Verification[],
): string {
  const { network, loads, policy } = context;
  const { group, target, kind, rung, shiftBitps } = proposal;
  const bias = rungName(policy, rung);
  const to = network.links[target] ?? 'no link';
  const source = sourceOf(proposal);
  const from = network.links[source] ?? 'no link';
  const load = (link: number) => percent(utilisation(network, loads, link));
  const last = verifications.find((entry) => group.blocks.includes(entry.block));
  const shift = `${formatRate(shiftBitps)} expected to shift`;
  switch (kind) {
    case 'pin':
      return `pinned to ${to} by the operator`;
    case 'roll_back':
      return `${rung === 0 ? 'rolled back' : 'changed'}: it did not come to ${from}${last ? ` (${last.reason})` : ''}`;
    case 'escalate':
      return `${bias} on the links beside ${to}: ${percent(shareOn(group.shares, target))} of it comes in there; ${shift}`;
    case 'steer':
      if (target < 0) return `no longer needed on ${from} (${load(source)}): unbiased; ${shift}`;
      if (group.best)
        return `best ${group.best}: ${to} before ${from}; ${bias} elsewhere, ${shift}`;
      return `${from} is at ${load(source)}, ${to} at ${load(target)}; ${bias} on the others, ${shift}`;
  }
}

/** The explanation of one proposal as a round judged it. */
export function explainProposal({ proposal, verdicts, isAccepted }: Judged, context: RailContext) {
  const { group } = proposal;
  const stopped = verdicts.find((verdict) => verdict.result !== 'pass');
  const what = describeMove(proposal, context, []);
  const text = isAccepted
    ? what
    : `${stopped?.result === 'refuse' ? 'refused' : 'postponed'} by ${stopped?.rail}: ${stopped?.reason}; wanted: ${what}`;
  return explanation(group, group.blocks[0], text, [], verdicts);
}

/**
 * All that can be said of one block now: every candidate with each term of its score, what stops it, and how old
 * and complete its inputs are. Recomputed from the recorded input, so it can be asked of any past decision.
 */
export function explain(
  block: PrefixText,
  observation: Observation,
  policy: Policy,
  state: State,
): Explanation | undefined {
  const network = buildNetwork(observation, policy);
  const context = whole(makeContext(observation, policy, state, network));
  const group = context.groups.find((candidate) => candidate.blocks.includes(block));
  if (!group) return undefined;
  const stay: Candidate = {
    ...score(context, group, group.shares),
    link: network.links[group.link],
    rung: group.rung,
    share: group.link < 0 ? 1 : shareOn(group.shares, group.link),
  };
  const proposals = candidatesOf(group, context);
  const judged = proposals.map((proposal) => ({ proposal, verdicts: judge(proposal, context) }));
  const others = judged.map(({ proposal, verdicts }): Candidate => {
    const stopped = verdicts.find((verdict) => verdict.result !== 'pass');
    return {
      ...score(context, group, proposal.shares),
      link: network.links[proposal.target],
      rung: proposal.rung,
      share: proposal.target < 0 ? 1 : shareOn(proposal.shares, proposal.target),
      ...(stopped ? { rejectedBy: `${stopped.rail}: ${stopped.reason}` } : {}),
    };
  });
  const candidates = [stay, ...others].sort((a, b) => a.score - b.score);
  const frozen = freezeReasons(observation, policy);
  const best = judged.reduce<(typeof judged)[number] | undefined>(
    (a, b) => (!a || b.proposal.gain > a.proposal.gain ? b : a),
    undefined,
  );
  const text = [
    whereItIs(group, network, policy),
    inputs(group),
    ...congested(observation),
    distances(observation),
    inWords(best?.proposal, stay, candidates, network),
    frozen.length > 0 ? `Nothing is changed: ${frozen[0]}.` : verdictOf(best, network),
    awaited(group, state, observation.at),
    expectation(best?.proposal, context),
    experience(group, network, policy),
    flaps(group, context),
  ].filter((line) => line !== '');
  return explanation(group, block, text.join(' '), candidates, best?.verdicts ?? []);
}

function whereItIs(group: Group, network: Network, policy: Policy): string {
  const shares = group.seen.links
    .map((link, i) => ({ link: network.links[link], share: group.seen.shares[i] ?? 0 }))
    .filter(({ share }) => share >= 0.005)
    .map(({ link, share }) => `${percent(share)} by ${link}`)
    .join(', ');
  const plan =
    group.link < 0
      ? 'announced alike on all links'
      : `biased to ${network.links[group.link]} with ${rungName(policy, group.rung)} on the others`;
  return `${group.name} is ${plan}; ${formatRate(group.rate)} come in, ${shares}.`;
}

/** How far the networks of the traffic are by each link, where the routes say it. */
function distances({ links }: Observation): string {
  const told = links.flatMap(({ link, asHops }) =>
    asHops ? [`${link} ${asHops.value.toFixed(1)}`] : [],
  );
  return told.length === 0 ? '' : `Autonomous systems to its networks: ${told.sort().join(', ')}.`;
}

const congested = ({ links }: Observation): string[] =>
  links
    .flatMap(({ congestion = [] }) => congestion)
    .filter(({ isCongested }) => isCongested)
    .map((verdict) => `${describeCongestion(verdict)}.`)
    .sort();

const inputs = (group: Group): string =>
  `Measured ${(group.ageMs / 1000).toFixed(0)} s ago, coverage ${percent(group.coverage)}.`;

function verdictOf(
  best: { proposal: Proposal; verdicts: Explanation['verdicts'] } | undefined,
  network: Network,
): string {
  if (!best) return 'There is nowhere else for it to go.';
  const to = network.links[best.proposal.target] ?? 'no bias';
  if (best.proposal.gain <= 0 && best.proposal.kind !== 'pin')
    return `It stays: the next best, ${to}, would make the whole worse by ${(-best.proposal.gain).toFixed(4)}.`;
  const stopped = best.verdicts.filter((verdict) => verdict.result !== 'pass');
  const gain = `${to} would better the whole by ${best.proposal.gain.toFixed(4)}`;
  if (stopped.length === 0) return `${gain}, and no rail stops it.`;
  return `${gain}; stopped by ${stopped.map((v) => `${v.rail} (${v.reason})`).join(', ')}.`;
}

const gains = {
  balance: ['the links would be more evenly full', 'the links would be less evenly full'],
  congestion: ['less traffic would meet congestion', 'more traffic would meet congestion'],
  response: ['answers would come sooner', 'answers would come later'],
  price: ['it would cost less', 'it would cost more'],
} as const;

/** What speaks for the best other place, term by term, and what against it. */
function inWords(
  best: Proposal | undefined,
  stay: Candidate,
  candidates: readonly Candidate[],
  network: Network,
): string {
  const link = best && network.links[best.target];
  const other = candidates.find((one) => one.link === link && one.rung === best?.rung);
  if (!best || !other || other === stay) return '';
  const parts = (['balance', 'congestion', 'response', 'price'] as const).flatMap((term) => {
    const better = stay.terms[term] - other.terms[term];
    if (Math.abs(better) < 1e-4) return [];
    const words = gains[term][better > 0 ? 0 : 1];
    return [`${words} (${stay.terms[term].toFixed(4)} to ${other.terms[term].toFixed(4)})`];
  });
  const place = link === undefined ? 'without bias' : `by ${link}`;
  return parts.length > 0 ? `If it came in ${place}: ${parts.join(', ')}.` : '';
}

/** The prediction of a move that has not been judged yet. */
function awaited(group: Group, state: State, now: number): string {
  const pending = state.pending.find(({ block }) => group.blocks.includes(block));
  if (!pending) return '';
  const predicted = `${percent(pending.sharePredicted)} of it is predicted to come in there`;
  return `Moved to ${pending.to} ${duration(now - pending.at)} ago: ${predicted}, ${percent(pending.shareBefore)} did before; not judged yet.`;
}

/** What a rung is expected to bring of what is not there yet, how surely, and from how many moves that is known. */
function expectation(
  best: Proposal | undefined,
  { network, effects, policy }: RailContext,
): string {
  const link = best && network.links[best.target];
  if (!best || link === undefined) return '';
  const effect = effectOf(effects, link, best.rung);
  const what = `${rungName(policy, best.rung)} against the links beside ${link}`;
  const known =
    effect.weight === 0
      ? 'assumed, since it was never tried'
      : `from ${effect.weight === 1 ? '1 move' : `${effect.weight} moves`}`;
  return `Expected of ${what}: ${percent(effect.mean)} of what is not there yet, give or take ${percent(uncertaintyOf(effect))} (${known}).`;
}

function experience(group: Group, network: Network, policy: Policy): string {
  const parts = network.links.flatMap((link) => {
    const tried = group.state.tried[link];
    if (!tried) return [];
    const what = rungName(policy, tried.rung);
    return [`${what} against the links beside ${link} moved ${percent(tried.moved)}`];
  });
  return parts.length > 0 ? `Learned: ${parts.join(', ')}.` : '';
}

function score(
  context: RailContext,
  group: Group,
  shares: Spread,
): Pick<Candidate, 'terms' | 'score'> {
  const { network, policy, total } = context;
  const loads = changed(context.loads.byLink, changeBetween(group.shares, shares, group.rate));
  const terms = scoreTerms(network, loads, group.weights, policy.rails.high, total);
  return { terms, score: sumTerms(terms) };
}

function explanation(
  group: Group,
  block: PrefixText | undefined,
  text: string,
  candidates: readonly Candidate[],
  verdicts: Explanation['verdicts'],
): Explanation {
  const { ageMs, coverage, name } = group;
  // A group has at least one block; its name stands in only to satisfy the type.
  return { block: block ?? (name as PrefixText), text, candidates, verdicts, ageMs, coverage };
}

/** What a rung does to the other links: as the ladder names it, else so many prepends. */
const rungName = ({ rungNames }: Policy, rung: number): string =>
  rungNames?.[rung] ?? (rung === 1 ? '1 prepend' : `${rung} prepends`);

/** How near the block is to what networks that damp would suppress. */
function flaps(group: Group, { now, policy }: RailContext): string {
  const { changes } = group.state;
  if (changes.length === 0) return '';
  const { dampingHalfLifeMs, dampingLimit, hourMs, movesPerDay } = policy.rails;
  const penalty = Math.round(dampingPenalty(changes, now, dampingHalfLifeMs));
  const today = changes.filter((at) => now - at < 24 * hourMs).length;
  return `Changed ${today} of ${movesPerDay} times in 24 h; its damping penalty is ${penalty}, one more change would make it ${penalty + penaltyPerChange} of ${dampingLimit}.`;
}
