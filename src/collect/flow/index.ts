export type {
  AccountPolicy,
  AccountSkip,
  Arrivals,
  BlockVolume,
  ForeignVolume,
  LinkVolume,
  RouteTable,
  Volumes,
} from './account.ts';
export {
  createFlowCollector,
  type ExporterState,
  type FlowCollector,
  type FlowCollectorOptions,
  type FlowSamples,
} from './collector.ts';
export type { Volume } from './counter-table.ts';
export type { ExporterPolicy, LinkSign } from './exporter-view.ts';
export { flowOptionsOf } from './settings.ts';
