/** The lab's public face: see topology.ts for the drawing. */
export { closeLab, defaultPrefix, findLab, type Lab, type LabOptions, openLab } from './lab.ts';
export { createMeter, keepEnds, type Meter, type MeterSample, type Reading } from './meter.ts';
export { dwellMs, type Mode, renderSettings } from './settings.ts';
export { defaultShape, type LabShape, type Place } from './shape.ts';
export type { BorderRouter, Provider, Topology } from './topology.ts';
export {
  type Demand,
  type DemandShape,
  demandOf,
  stubbornShares,
  totalDemandBitps,
} from './traffic/demand.ts';
export { startTraffic, type Traffic } from './traffic/index.ts';
