export type { Cycle, CycleInput } from './cycle.ts';
export {
  History,
  type HistoryOptions,
  type KeptMove,
  type Memory,
  type Quality,
  type Span,
  type Usage,
} from './history.ts';
