export type { Cycle, CycleInput } from './cycle.ts';
export {
  type BlockSample,
  type BlockUsage,
  History,
  type HistoryOptions,
  type Memory,
  type Quality,
  type Shift,
  type Span,
  type Usage,
} from './history.ts';
export type { KeptMove } from './moves.ts';
