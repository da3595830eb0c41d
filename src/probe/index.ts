export type { ArrivalWitness, LinkCheck } from './check.ts';
export {
  createProbeEngine,
  type ProbeEngine,
  type ProbeLink,
  type ProbeOutcome,
  type ProbeTarget,
  plainLink,
} from './engine.ts';
export { type Method, usualPorts } from './packet.ts';
export {
  createProber,
  type DestinationProbe,
  type LinkProbe,
  type Prober,
  type ProberOptions,
  type ProbeSamples,
  type ReportedChange,
} from './prober.ts';
export { probeLinksOf, proberOptionsOf } from './settings.ts';
export { type ProbeSummary, summarise } from './statistics.ts';
export type { FoundNetwork } from './targets.ts';
