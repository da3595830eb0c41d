import {
  collectDefaultMetrics,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from 'prom-client';
import type { HistogramSample, Reading, Sample } from './family.ts';

/**
 * A registry whose values are read at the scrape: what is counted is counted once, where it happens, and the
 * metrics are a view of it. `source` gives the state of the unit at that moment.
 */
export function makeRegistry<Source>(
  readings: ReadonlyArray<Reading<Source>>,
  source: () => Source,
): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'headgate_' });
  // Gauges that prom-client keeps for old dashboards under names of counters.
  for (const name of ['handles', 'requests', 'resources']) {
    registry.removeSingleMetric(`headgate_nodejs_active_${name}_total`);
  }
  let shared: { readonly at: number; readonly value: Source } | undefined;
  // All families of one scrape read the same state: the registry asks them in one turn of the event loop.
  const current = () => {
    shared ??= { at: 0, value: source() };
    queueMicrotask(() => {
      shared = undefined;
    });
    return shared.value;
  };
  for (const reading of readings) {
    const metric = {
      name: reading.name,
      get: async () => present(reading, current()),
    };
    // A cast: prom-client types only its own classes, but asks a registered metric for nothing but these two.
    registry.registerMetric(metric as never);
  }
  return registry;
}

function present<Source>(
  reading: Reading<Source>,
  source: Source,
): Omit<MetricObjectWithValues<MetricValue<string>>, 'collect'> {
  const values =
    reading.type === 'histogram'
      ? reading.read(source).flatMap((sample) => histogramValues(reading.name, sample))
      : reading
          .read(source)
          .map((sample: Sample) => ({ labels: sample.labels, value: sample.value }));
  return {
    name: reading.name,
    help: reading.help,
    // A cast: prom-client's type is an enum whose values are these words.
    type: reading.type as never,
    aggregator: 'sum',
    values,
  };
}

function histogramValues(name: string, sample: HistogramSample) {
  const { labels } = sample;
  return [
    ...sample.buckets.map(({ bound, count }) => ({
      metricName: `${name}_bucket`,
      labels: { ...labels, le: String(bound) },
      value: count,
    })),
    { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: sample.count },
    { metricName: `${name}_sum`, labels, value: sample.sum },
    { metricName: `${name}_count`, labels, value: sample.count },
  ];
}
