import { parsePrefix } from '../core/base/prefix.ts';
import { assert } from '../core/base/result.ts';
import type { LinkShare, ResolverPlan } from '../core/decide/resolvers.ts';
import { weightMax } from '../core/wire/dns/choice.ts';
import type { ResolverWeights, Weights } from '../core/wire/dns/steering.ts';

/** A decision's shares as the answers' weights. */
export function weightsOfPlan(plan: ResolverPlan): ResolverWeights {
  return {
    default: weightsOf(plan.default),
    networks: plan.entries.map(({ network, shares }) => {
      const prefix = parsePrefix(network);
      assert(prefix.ok, `a plan names networks in canonical text, not ${network}`);
      return { prefix: prefix.value, weights: weightsOf(shares) };
    }),
  };
}

/** A share that is above 0 stays above 0: rounding takes no provider out. */
function weightsOf(shares: readonly LinkShare[]): Weights {
  return Object.fromEntries(
    shares.map(({ link, share }) => [
      link,
      share > 0 ? Math.max(1, Math.round(share * weightMax)) : 0,
    ]),
  );
}
