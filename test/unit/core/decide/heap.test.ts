/** The queue of the optimiser's flow against sorting. */
import fc from 'fast-check';
import t from 'tap';
import { Heap } from '../../../../src/core/decide/assign/heap.ts';

const keys = fc.array(fc.double({ min: 0, max: 9, noNaN: true }), { maxLength: 40 });

t.test('gives keys in order, whether they came before or after it was ordered', async () => {
  fc.assert(
    fc.property(keys, keys, (first, later) => {
      const heap = new Heap(first.length);
      for (const [i, key] of first.entries()) heap.append(key, i);
      heap.order();
      for (const [i, key] of later.entries()) heap.push(key, first.length + i);
      const all = [...first, ...later];
      const taken: number[] = [];
      while (heap.size > 0) {
        // A key goes with its item.
        if (all[heap.leastItem] !== heap.leastKey) return false;
        taken.push(heap.leastKey);
        heap.dropLeast();
      }
      return taken.join() === all.sort((a, b) => a - b).join() && heap.leastKey === Infinity;
    }),
  );
});
