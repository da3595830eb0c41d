/** Classes of nearness, against a reference that keeps plain lists and tries every level. */
import fc from 'fast-check';
import t from 'tap';
import { linkId, type PrefixText, prefixText } from '../../../../../src/core/base/units.ts';
import type { PathTimes } from '../../../../../src/daemon/outbound/destinations.ts';
import {
  NearClasses,
  type Plainly,
} from '../../../../../src/daemon/outbound/marks/near-classes.ts';

const links = ['north', 'south', 'east'].map(linkId);
const prefixes = Array.from({ length: 14 }, (_, i) => prefixText(`203.0.${i}.0/24`));
const [first = prefixText('203.0.0.0/24'), second = first] = prefixes;

/** Round trips in ms by link; one that was not measured is undefined. */
type Times = readonly (number | undefined)[];
const timesOf = (times: Times): PathTimes =>
  Object.fromEntries(
    times.flatMap((time, l) =>
      time === undefined ? [] : [[links[l], { us: 1000 * time, samples: 4 }]],
    ),
  );
/** Where a destination stands that only some of the links are told for. */
const told = (...by: readonly number[]): Plainly => ({
  class: by.map((l) => links[l]).join('+'),
  links: by.flatMap((l) => links[l] ?? []),
  group: by.length === links.length ? undefined : by.map((l) => links[l]).join('+'),
});
const all = () => told(0, 1, 2);

t.test('a destination is told apart by quarters of its longest round trip', async (t) => {
  const near = new NearClasses();
  near.look([first, second], new Map([[first, timesOf([20, 50, 100])]]), all);
  t.same(near.classOf(first)?.ways, [
    { link: 'north', response: 0.25 },
    { link: 'south', response: 0.5 },
    { link: 'east', response: 1 },
  ]);
  t.equal(near.classOf(first)?.name, 'north+south+east@0.25/0.5/1');
  t.equal(near.classOf(second), undefined, 'one without times goes plainly');
  near.look([first], new Map([[first, timesOf([42, 50, 100])]]), all);
  t.equal(near.classOf(first)?.ways[0]?.response, 0.25, 'it stays at its level a little beyond');
  near.look([first], new Map([[first, timesOf([46, 50, 100])]]), all);
  t.equal(near.classOf(first)?.ways[0]?.response, 0.5);
  near.look([first], new Map([[first, timesOf([10, undefined, 100])]]), all);
  t.equal(near.classOf(first)?.ways[0]?.response, 0.5, 'and while not every link was measured');
  near.look([first], undefined, all);
  t.equal(near.classOf(first), undefined, 'unless round trips are not weighed at all');
});

t.test('it takes its past along, and never goes by a link that is not told for it', async (t) => {
  const near = new NearClasses();
  const times = new Map([[first, timesOf([20, 50, 100])]]);
  near.look([first], times, () => ({ ...all(), group: 'odd' }));
  t.match(near.groupOf(first), { from: 'odd' });
  const { name } = near.groupOf(first) ?? {};
  near.look([first], new Map(), () => told(1, 2));
  t.same(
    near.classOf(first)?.ways.map(({ link }) => link),
    ['south', 'east'],
  );
  t.match(near.groupOf(first), { from: name });
  near.look([first], new Map(), () => told(0));
  t.equal(near.classOf(first), undefined, 'none of its links is left: plainly');
  near.look([], times, all);
  t.same(near.groups, [], 'what is not counted any more is forgotten');
});

t.test('room that nobody needs any more is given to other kinds', async (t) => {
  const near = new NearClasses();
  for (let round = 0; round < 50; round++) {
    const isFar = round % 2 === 0;
    near.look([first], new Map([[first, timesOf(isFar ? [100, 25, 25] : [25, 100, 25])]]), all);
    t.equal(near.classOf(first)?.ways[0]?.response, isFar ? 1 : 0.25);
  }
  t.equal(near.forgotten, 0);
});

interface Kept {
  readonly levels: readonly number[];
  readonly group: object;
}

/** What there is to know of every prefix, in lists; times in whole parts of a hundred of the longest. */
class Reference {
  readonly of = new Map<PrefixText, Kept>();
  #groups: { readonly key: string; readonly from: object | undefined }[] = [];

  look(times: ReadonlyMap<PrefixText, Times>): void {
    for (const prefix of new Set([...this.of.keys(), ...times.keys()])) {
      const own = times.get(prefix);
      const known = own?.flatMap((time) => (time === undefined ? [] : [time])) ?? [];
      if (known.length < links.length) continue;
      const before = this.of.get(prefix);
      const longest = Math.max(...known);
      const levels = known.map((time, l) => levelOf((400 * time) / longest, before?.levels[l]));
      if (before && levels.join() === before.levels.join()) continue;
      const key = levels.join();
      const from = before?.group;
      let group = this.#groups.find((each) => each.key === key && each.from === from);
      if (!group && this.#groups.length < 10) {
        group = { key, from };
        this.#groups.push(group);
      }
      if (group) this.of.set(prefix, { levels, group });
    }
    const used = [...this.of.values()].map(({ group }) => group);
    this.#groups = this.#groups.filter((group) => used.includes(group));
  }
}

/** `parts`: 0 to 400. The nearest of 1 to 4, or the old one while that is not further than three quarters. */
function levelOf(parts: number, old: number | undefined): number {
  if (old !== undefined && Math.abs(parts - 100 * old) <= 75) return old;
  const away = [1, 2, 3, 4].map((level) => Math.abs(parts - 100 * level));
  // Halves go up.
  return 1 + away.lastIndexOf(Math.min(...away));
}

t.test('as the reference has it', async () => {
  const time = fc.option(fc.constantFrom(5, 10, 20, 30, 45, 60, 80, 100), {
    nil: undefined,
    freq: 12,
  });
  const looks = fc.array(
    fc.dictionary(fc.constantFrom(...prefixes), fc.tuple(time, time, time), { maxKeys: 8 }),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(looks, (drawn) => {
      const near = new NearClasses();
      const reference = new Reference();
      for (const look of drawn) {
        const times = new Map<PrefixText, Times>(
          Object.entries(look).map(([prefix, own]) => [prefixText(prefix), own]),
        );
        const measured = new Map([...times].map(([prefix, own]) => [prefix, timesOf(own)]));
        near.look(prefixes, measured, all);
        reference.look(times);
        const groups = new Map<object, string>();
        for (const prefix of prefixes) {
          const wanted = reference.of.get(prefix);
          const levels = near.classOf(prefix)?.ways.map(({ response = 0 }) => 4 * response);
          if (levels?.join() !== wanted?.levels.join()) return false;
          const name = near.groupOf(prefix)?.name;
          if (!wanted || name === undefined) {
            if (wanted || name !== undefined) return false;
            continue;
          }
          if (groups.has(wanted.group) && groups.get(wanted.group) !== name) return false;
          groups.set(wanted.group, name);
        }
        // As many names as groups: none stands for two of them.
        if (new Set(groups.values()).size !== groups.size) return false;
        if (near.groups.length !== groups.size) return false;
      }
      return true;
    }),
  );
});
