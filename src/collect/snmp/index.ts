export {
  createSnmpPoller,
  type LinkCounters,
  type PolledRouter,
  type PollFailure,
  type RouterState,
  type SnmpPoller,
  type SnmpPollerOptions,
  type SnmpSamples,
} from './poller.ts';
export type { SnmpSession, SnmpValue } from './session.ts';
export { polledRoutersOf } from './settings.ts';
