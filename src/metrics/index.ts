export type { Family, HistogramSample, Reading, Sample } from './family.ts';
export { type MetricsListener, openMetricsListener } from './listener.ts';
export { makeRegistry } from './registry.ts';
