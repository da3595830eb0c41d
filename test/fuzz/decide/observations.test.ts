/** Any observation, however odd, gives a decision that keeps the promises; over several cycles in a row. */
import fc from 'fast-check';
import t from 'tap';
import { bitps, linkId, ms, prefixText } from '../../../src/core/base/units.ts';
import { decide, defaultPolicy, initialState, type State } from '../../../src/core/decide/index.ts';
import type { Observation } from '../../../src/core/model/observation.ts';

t.setTimeout(300_000);

const names = ['a', 'b', 'c'].map(linkId);
const blocks = [0, 1, 2, 3, 4].map((i) => prefixText(`198.51.${100 + i}.0/24`));
const rate = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 200e6 })).map(bitps);
const age = fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 0, max: 700_000 })).map(ms);
const coverage = fc.constantFrom(1, 1, 1, 0.6, 0);
const routing = fc.option(
  fc.record({
    isForeign: fc.constantFrom(false, false, true),
    roa: fc.constantFrom('valid' as const, 'not_found' as const, 'invalid' as const),
    carriedOn: fc.subarray(names),
  }),
  { nil: undefined },
);

const anyObservation = fc
  .record({
    links: fc.array(
      fc.record({
        link: fc.constantFrom(...names, linkId('unknown')),
        isUp: fc.boolean(),
        capacity: fc.integer({ min: 0, max: 100e6 }).map(bitps),
        value: rate,
        ageMs: age,
        coverage,
      }),
      { maxLength: 4 },
    ),
    blocks: fc.array(
      fc.record({
        block: fc.constantFrom(...blocks),
        inbound: fc.array(fc.record({ link: fc.constantFrom(...names, linkId('unknown')), rate }), {
          maxLength: 4,
        }),
        ageMs: age,
        coverage,
        routing,
      }),
      { maxLength: 6 },
    ),
  })
  .map(({ links, blocks }) => ({
    links: links.map(({ value, ageMs, coverage, ...link }) => ({
      ...link,
      inbound: { value, ageMs, coverage, source: 'wire' as const },
    })),
    blocks: blocks.map(({ routing, ...block }) => ({
      ...block,
      outbound: [],
      ...(routing ? { routing } : {}),
    })),
  }));

t.test(
  'whatever is observed: own blocks only, links that are up, caps kept, plain JSON',
  async () => {
    const policy = defaultPolicy(names.map((link) => ({ link, capacity: bitps(100e6) })));
    fc.assert(
      fc.property(fc.array(anyObservation, { minLength: 1, maxLength: 6 }), (series) => {
        let state: State = initialState();
        for (const [i, parts] of series.entries()) {
          const at = ms(1e12 + i * 700_000);
          const observation: Observation = { at, intervalMs: ms(30_000), ...parts };
          const decision = decide(observation, policy, state);
          const made = decision.moves.filter((move) => move.outcome === 'pending');
          const steered = made.filter((move) => move.to !== undefined);
          if (steered.length > policy.rails.movesPerHour) return false;
          if (decision.plan.blocks.some((entry) => !blocks.includes(entry.block))) return false;
          for (const move of steered) {
            const up = parts.links.findLast((link) => link.link === move.to)?.isUp;
            const seen = parts.blocks.filter((entry) => entry.block === move.block);
            if (!up || seen.some((entry) => entry.routing?.isForeign)) return false;
          }
          const text = JSON.stringify(decision);
          if (text.includes('null')) return false;
          state = decision.state;
        }
        return true;
      }),
      { numRuns: process.env.HEADGATE_LONG === '1' ? 20_000 : 1000 },
    );
  },
);
