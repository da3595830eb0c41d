import t from 'tap';
import { prefixText } from '../../../src/core/base/units.ts';
import { capacityOf, memoryOf, sharedMemoryOf } from '../../../src/engine/capacity.ts';

t.test('memory is a function of what there is room for', (t) => {
  const blocks = Array.from({ length: 1000 }, (_, i) => prefixText(`10.${i >> 8}.${i & 255}.0/24`));
  const few = capacityOf({ tables: { blocks: blocks.slice(0, 4), links: [] } });
  const many = capacityOf({ tables: { blocks, links: [] } });
  t.ok(few.blocks > 4 && many.blocks > 1000, 'with room for more');
  t.ok(memoryOf(many) > memoryOf(few));
  const twice = { ...few, sessionSlots: few.sessionSlots * 2 };
  // A session takes 64 bytes and 136 that are seldom touched.
  t.ok(memoryOf(twice) - memoryOf(few) >= few.sessionSlots * 200);
  const spin = memoryOf({ ...few, followsSpin: true }) - memoryOf(few);
  t.ok(spin > 200_000 && spin < 300_000, `${spin} bytes to follow QUIC's spin bit, none without`);
  t.equal(memoryOf(few), memoryOf(few));
  // Two workers have half the sessions each, and counters of all blocks.
  t.ok(memoryOf(few, 2) > memoryOf(few) && memoryOf(few, 2) < 2 * memoryOf(few));
  const halves = { share: 1 / 64, key: 'north and south' };
  const joined = capacityOf({ tables: { blocks: blocks.slice(0, 4), links: [] }, halves });
  t.ok(memoryOf(joined) - memoryOf(few) >= 2 ** 19, 'the ring of half-seen sessions too');
  // What blocks' round trips were when the last two stretches began: 24 counts each.
  t.equal(sharedMemoryOf(many), many.blocks * 2 * 24 * 4);
  t.end();
});
