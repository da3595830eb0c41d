import fc from 'fast-check';
import t from 'tap';
import { NetworkTime } from '../../../../src/daemon/units/network-time.ts';

t.test('the time of decisions is in whole milliseconds, and never goes back', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -5000, max: 5000 }),
      fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 50 }),
      (offMs, steps) => {
        let wall = 1_800_000_000_000;
        const time = new NetworkTime({ now: () => wall, wall: () => wall });
        time.hear(wall + offMs);
        let before = time.now();
        return steps.every((step) => {
          wall += step;
          const at = time.decide();
          const isFine = Number.isInteger(at) && at >= before;
          before = at;
          return isFine;
        });
      },
    ),
  );
});

t.test('it comes nearer to its own clock, by a hundredth of the time that passes', async (t) => {
  let wall = 1_800_000_000_000;
  const time = new NetworkTime({ now: () => wall, wall: () => wall });
  time.hear(wall + 3000);
  wall += 100_000;
  t.equal(time.decide(), wall + 2000);
  wall += 1_000_000;
  t.equal(time.decide(), wall, 'and stays there');
});

t.test('a clock that is set does not set the time of the network', async (t) => {
  let now = 0;
  let epoch = 1_800_000_000_000;
  const time = new NetworkTime({ now: () => now, wall: () => epoch + now });
  const begun = time.decide();
  for (const stepMs of [3_600_000, -7_200_000, 40 * 86_400_000]) {
    const before = time.now();
    epoch += stepMs;
    now += 30_000;
    const at = time.decide();
    t.ok(Math.abs(at - before - 30_000) <= 300, `${at - before} ms passed, not ${stepMs}`);
  }
  t.ok(Math.abs(time.now() - begun - 90_000) <= 900);
});
