import fc from 'fast-check';
import t from 'tap';
import { Slots } from '../../../src/engine/slots.ts';

t.test('a name keeps its index while it is in use, and no two share one', async (t) => {
  const names = fc.uniqueArray(fc.constantFrom(...'abcdefghij'), { maxLength: 10 });
  fc.assert(
    fc.property(
      fc.array(names, { maxLength: 20 }),
      fc.integer({ min: 1, max: 10 }),
      (rounds, capacity) => {
        let slots = Slots.empty<string>(capacity);
        // The obvious model: who sits where now, and who ever counted at an index.
        let seated = new Map<string, number>();
        const everUsed = new Set<number>();
        for (const wanted of rounds) {
          const next = slots.assign(wanted);
          const given = next?.inherited;
          slots = next?.slots ?? slots;
          if (wanted.length > capacity) {
            if (given !== undefined) return false;
            for (const [name, index] of seated) if (slots.index(name) !== index) return false;
            continue;
          }
          const now = new Map(wanted.map((name) => [name, slots.index(name)]));
          for (const [name, index] of now) {
            if (index < 0 || index >= capacity || slots.name(index) !== name) return false;
            const before = seated.get(name);
            if (before !== undefined && before !== index) return false;
            // An index that counted for another is told, a fresh one is not.
            const isInherited = before === undefined && everUsed.has(index);
            if (given?.includes(index) !== isInherited) return false;
          }
          if (new Set(now.values()).size !== now.size) return false;
          for (const index of now.values()) everUsed.add(index);
          seated = now;
        }
        return true;
      },
    ),
  );
  t.pass('for random successions of names');
});

t.test('an unknown name has the index of nobody', async (t) => {
  const slots = Slots.empty<string>(4).assign(['a'])?.slots;
  t.equal(slots?.index('a'), 0);
  t.equal(slots?.index('b'), 4);
  t.equal(slots?.name(4), undefined);
});
