import t from 'tap';
import { bitps } from '../../../../src/core/base/units.ts';
import { RateWindow } from '../../../../src/daemon/measure/rate-window.ts';

const reading = (at: number, elapsedMs: number, inbound: number) => ({
  at,
  elapsedMs,
  inbound: bitps(inbound),
  outbound: bitps(inbound / 10),
});

t.test('readings count by the time they stand for, each once', (t) => {
  const window = new RateWindow();
  t.same(window.mean(), { inbound: 0, outbound: 0 });
  window.add(reading(1000, 1000, 30e6), 60_000);
  window.add(reading(3000, 2000, 60e6), 60_000);
  window.add(reading(3000, 2000, 60e6), 60_000);
  t.same(window.mean(), { inbound: 50e6, outbound: 5e6 });
  t.end();
});

t.test('what is older than the averaging time is forgotten; the newest never', (t) => {
  const window = new RateWindow();
  window.add(reading(1000, 1000, 90e6), 5000);
  window.add(reading(6000, 5000, 10e6), 5000);
  t.same(window.mean(), { inbound: 10e6, outbound: 1e6 });
  window.add(reading(60_000, 54_000, 20e6), 5000);
  t.same(window.mean(), { inbound: 20e6, outbound: 2e6 }, 'longer than the averaging time');
  window.add(reading(1000, 1000, 40e6), 5000);
  t.same(window.mean(), { inbound: 40e6, outbound: 4e6 }, 'the clock was set back');
  t.end();
});
