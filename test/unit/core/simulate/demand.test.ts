import t from 'tap';
import {
  describeDemand,
  generateDemand,
  samplesPerWeek,
} from '../../../../src/core/simulate/demand.ts';
import { seeded } from '../../../../src/core/simulate/random.ts';

t.test('generated traffic has the statistics of real points of presence', async (t) => {
  const all = Array.from({ length: 41 }, (_, i) =>
    describeDemand(generateDemand(seeded(1000 + i), 2 * samplesPerWeek)),
  );
  // Medians over the points of presence of Abilene, two weeks of 2004.
  const published = {
    p95OverMean: [1.44, 0.08],
    p90OverP95: [0.939, 0.02],
    p80OverP95: [0.859, 0.03],
    peakOverP95: [1.33, 0.1],
    lag1: [0.954, 0.03],
    day: [0.56, 0.12],
    week: [0.65, 0.15],
    lastValueError: [0.043, 0.012],
  } as const;
  for (const [name, [value, within]] of Object.entries(published)) {
    // A cast, since Object.entries forgets that the names are those of the statistics.
    const seen = all.map((entry) => entry[name as keyof typeof published]).sort((a, b) => a - b);
    const median = seen[20] ?? 0;
    t.ok(Math.abs(median - value) <= within, `${name} ${median.toFixed(3)}, published ${value}`);
  }
});
