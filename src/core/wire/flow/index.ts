/** Flow exports: bytes to records. Pure; the sockets are in src/collect/flow. */
export { FlowDecoder } from './decoder.ts';
export { defaultLimits, type FlowLimits } from './domain.ts';
export type { FlowRecord, FlowSink, InterfaceCounters } from './record.ts';
export { type FlowError, type FlowSkip, type FlowTally, flowSkips } from './tally.ts';
