import fc from 'fast-check';
import t from 'tap';
import { UsageMeter } from '../../../../src/daemon/money/usage.ts';
import { snapshotOf } from '../../../support/snapshot.ts';

const boundary = 300_000 * 5_000_000;
const at = (ms: number, bytes: number) =>
  snapshotOf(ms, { inbound: { '198.51.100.0/24 north': bytes } });

t.test('bytes go to the sample in which they came', (t) => {
  const meter = new UsageMeter();
  t.same(
    meter.advance(at(0, 500), boundary + 10_000),
    [],
    'what came before the first look is not ours to date',
  );
  t.match(meter.advance(at(20_000, 1500), boundary + 30_000), [
    { at: boundary, link: 'north', inboundL2: 1000, coveredMs: 20_000 },
  ]);
  t.end();
});

t.test('a stretch over a boundary is divided by time', (t) => {
  const meter = new UsageMeter();
  meter.advance(at(0, 0), boundary - 10_000);
  t.match(meter.advance(at(40_000, 4000), boundary + 30_000), [
    { at: boundary - 300_000, inboundL2: 1000, coveredMs: 10_000 },
    { at: boundary, inboundL2: 3000, coveredMs: 30_000 },
  ]);
  t.end();
});

t.test('a clock set back counts nothing twice', (t) => {
  const meter = new UsageMeter();
  meter.advance(at(0, 0), boundary + 100_000);
  t.same(meter.advance(at(1000, 500), boundary + 50_000), []);
  t.match(meter.advance(at(2000, 700), boundary + 51_000), [{ inboundL2: 200 }]);
  t.end();
});

t.test('no byte is lost or made, wherever the looks fall', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 900_000 }), fc.nat(1e9)), { minLength: 1 }),
      (steps) => {
        const meter = new UsageMeter();
        let [time, bytes, seen, covered] = [boundary + 7, 0, 0, 0];
        meter.advance(at(time - boundary, 0), time);
        const start = time;
        for (const [ms, more] of steps) {
          time += ms;
          bytes += more;
          for (const part of meter.advance(at(time - boundary, bytes), time)) {
            seen += part.inboundL2;
            covered += part.coveredMs;
            if (part.at % 300_000 !== 0 || part.coveredMs > 300_000)
              throw new Error(JSON.stringify(part));
          }
        }
        if (seen !== bytes || covered !== time - start) throw new Error(`${seen} of ${bytes}`);
      },
    ),
  );
  t.end();
});
