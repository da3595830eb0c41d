export type { Cycle } from './cycle.ts';
