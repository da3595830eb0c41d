/** Metrics of the unit's own doings: cycles, requests, files, and what was lost on the way. */
import type { Reading } from '../../../metrics/index.ts';
import { one, type Scrape } from './scrape.ts';

export const ownReadings: ReadonlyArray<Reading<Scrape>> = [
  {
    name: 'headgate_cycles_total',
    type: 'counter',
    labels: [],
    help: 'Turns of measure, decide, act, verify',
    read: ({ cycleSeconds }) => one(cycleSeconds.count),
  },
  {
    name: 'headgate_cycle_seconds_total',
    type: 'counter',
    labels: [],
    help: 'Time spent in those turns',
    read: ({ cycleSeconds }) => one(cycleSeconds.sum),
  },
  {
    name: 'headgate_failures_total',
    type: 'counter',
    labels: ['component'],
    help: 'Calls of a component that failed and were skipped',
    read: ({ failures }) =>
      [...failures].map(([component, value]) => ({ labels: { component }, value })),
  },
  {
    name: 'headgate_control_requests_total',
    type: 'counter',
    labels: ['command', 'result'],
    help: 'Requests on the control socket',
    read: ({ requests }) =>
      [...requests].map(([key, value]) => {
        const [command = '', result = 'refused'] = key.split(':');
        return { labels: { command, result }, value };
      }),
  },
  {
    name: 'headgate_history_bytes',
    type: 'gauge',
    labels: [],
    help: 'Size of the history file',
    read: ({ history }) => one(history.bytes),
  },
  {
    name: 'headgate_source_lost_total',
    type: 'counter',
    labels: ['source', 'reason'],
    help: 'Polls, records and probes that gave no measurement',
    read: ({ sourceLosses }) =>
      sourceLosses.map(({ source, reason, count }) => ({
        labels: { source, reason },
        value: count,
      })),
  },
  {
    name: 'headgate_record_lost_total',
    type: 'counter',
    labels: [],
    help: 'Cycles that the recorder could not write',
    read: ({ recordLost }) => one(recordLost),
  },
  {
    name: 'headgate_log_lost_total',
    type: 'counter',
    labels: [],
    help: 'Lines of the log that nobody took',
    read: ({ logLost }) => one(logLost),
  },
  {
    name: 'headgate_audit_lost_total',
    type: 'counter',
    labels: [],
    help: 'Events that the disk of the audit log refused',
    read: ({ auditLost }) => one(auditLost),
  },
  {
    name: 'headgate_history_lost_total',
    type: 'counter',
    labels: ['reason'],
    help: 'Records that history did not keep',
    read: ({ history }) =>
      [...history.lost].map(([reason, value]) => ({ labels: { reason }, value })),
  },
];
