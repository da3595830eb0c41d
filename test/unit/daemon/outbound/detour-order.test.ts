/**
 * Detours over several routers in the only order in which no packet comes back. The model: every router forwards by its
 * detour once it has installed it, which takes it a while of its own, else by plain BGP; followed from router to router,
 * no way may meet a router twice, at any moment.
 */
import fc from 'fast-check';
import t from 'tap';
import { prefixText, type RouterId, routerId } from '../../../../src/core/base/units.ts';
import type { Detour } from '../../../../src/core/bgp/detour.ts';
import { DetourOrder, detourKey, installMs } from '../../../../src/daemon/outbound/detour-order.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const prefix = prefixText('203.0.113.0/24');
const routers = ['a', 'b', 'c'].map(routerId);
const insideOf = (router: RouterId) => `inside ${router}`;

/** By which router a destination leaves, by one of its two links; undefined is plain BGP. */
type Exit = { readonly owner: RouterId; readonly link: 1 | 2 } | undefined;

const anyExit = fc.option(
  fc.record({ owner: fc.constantFrom(...routers), link: fc.constantFrom(1 as const, 2 as const) }),
  { nil: undefined },
);
/** By plain BGP all leave by one router, or each by its own link. */
const anyPlain = fc.constantFrom<RouterId | undefined>(...routers, undefined);
const anySteps = fc.array(fc.record({ exit: anyExit, waitMs: fc.integer({ min: 0, max: 3000 }) }), {
  minLength: 1,
  maxLength: 8,
});

function wantedFor(exit: Exit): ReadonlyMap<RouterId, readonly Detour[]> {
  return new Map(
    routers.map((router) => {
      if (!exit) return [router, []];
      const own = { prefix, nextHop: `${exit.owner}${exit.link}`, localPref: 1 };
      if (router === exit.owner) return [router, [own]];
      const via = { router: exit.owner, nextHop: own.nextHop };
      return [router, [{ ...own, nextHop: insideOf(exit.owner), via }]];
    }),
  );
}

/** Routers that take up to `delayMs` to do what they are told; `isOrdered` false tells them everything at once. */
function world(plain: RouterId | undefined, delays: readonly number[], isOrdered = true) {
  const clock = new FakeClock(1_000);
  const told = new Map<RouterId, readonly Detour[]>();
  const installed = new Map<RouterId, Detour | undefined>();
  const tell = (router: RouterId, detours: readonly Detour[]) => {
    told.set(router, detours);
    const delayMs = delays[routers.indexOf(router)] ?? 0;
    clock.after(delayMs, () => {
      // What came later counts; BGP keeps the order of updates.
      installed.set(router, told.get(router)?.[0]);
    });
  };
  const sentTo = (router: RouterId) => new Set((told.get(router) ?? []).map(detourKey));
  const order = new DetourOrder({ tell, sentTo }, clock);
  const loopsFrom = (start: RouterId): boolean => {
    const met = new Set<RouterId>();
    for (let at: RouterId | undefined = start; at !== undefined; ) {
      if (met.has(at)) return true;
      met.add(at);
      const detour: Detour | undefined = installed.get(at);
      if (detour) at = detour.via?.router;
      else at = plain === at ? undefined : plain;
    }
    return false;
  };
  return {
    told,
    installed,
    set: (exit: Exit) => {
      const wanted = wantedFor(exit);
      if (isOrdered) order.set(wanted);
      else for (const [router, detours] of wanted) tell(router, detours);
    },
    /** False when a packet went in a circle at any time. */
    passes: (ms: number) => {
      for (let at = 0; at < ms; at += 20) {
        clock.advance(20);
        if (routers.some(loopsFrom)) return false;
      }
      return true;
    },
  };
}

const anyDelays = fc.array(fc.integer({ min: 0, max: installMs - 100 }), {
  minLength: 3,
  maxLength: 3,
});

t.test('no packet ever goes in a circle, and in the end all is as wanted', async () => {
  fc.assert(
    fc.property(anyPlain, anyDelays, anySteps, (plain, delays, steps) => {
      const { set, passes, told } = world(plain, delays);
      for (const { exit, waitMs } of steps) {
        set(exit);
        if (!passes(waitMs)) return false;
      }
      if (!passes(6000)) return false;
      const wanted = wantedFor(steps.at(-1)?.exit);
      return routers.every(
        (router) => JSON.stringify(told.get(router)) === JSON.stringify(wanted.get(router)),
      );
    }),
    { numRuns: 300 },
  );
});

t.test('told all at once they would: the model can see it', async (t) => {
  const [a, b] = routers as [RouterId, RouterId];
  // By plain BGP all leave by a, which is the fastest to follow b, before b knows of it.
  const { set, passes } = world(a, [0, 800, 0], false);
  set({ owner: b, link: 1 });
  t.equal(passes(3000), false);
});

t.test('the owner is told first, and forgets last', async (t) => {
  const [a, b] = routers as [RouterId, RouterId];
  const { set, passes, told } = world(a, [0, 0, 0]);
  set({ owner: b, link: 1 });
  t.equal(told.get(b)?.length, 1);
  t.equal(told.get(a)?.length ?? 0, 0);
  passes(installMs + 500);
  t.equal(told.get(a)?.length, 1);
  set(undefined);
  t.equal(told.get(a)?.length, 0);
  t.equal(told.get(b)?.length, 1, 'until nobody can rely on it');
  passes(installMs + 500);
  t.equal(told.get(b)?.length, 0);
});
