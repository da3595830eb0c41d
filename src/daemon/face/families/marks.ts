/** Metrics of marks: which sessions got which link, and who stays elsewhere. */
import type { MarkCounts } from '../../../engine/index.ts';
import type { Reading } from '../../../metrics/index.ts';
import { one, type Scrape } from './scrape.ts';

const single =
  (of: (marks: MarkCounts) => number) =>
  ({ snapshot }: Scrape) =>
    one(snapshot && of(snapshot.marks));

export const markReadings: ReadonlyArray<Reading<Scrape>> = [
  {
    name: 'headgate_marked_packets_total',
    type: 'counter',
    labels: [],
    help: 'Outbound packets that the wires changed for their mark',
    read: single(({ set }) => set),
  },
  {
    name: 'headgate_cleared_marks_total',
    type: 'counter',
    labels: [],
    help: 'Of them, packets that lost a mark which was not theirs to set',
    read: single(({ cleared }) => cleared),
  },
  {
    name: 'headgate_marked_sessions_total',
    type: 'counter',
    labels: ['link'],
    help: 'Sessions begun, by the link that they were marked for: TCP, and QUIC',
    read: ({ snapshot }) =>
      (snapshot?.marks.sessions ?? []).map(({ link, sessions }) => ({
        labels: { link },
        value: sessions,
      })),
  },
  {
    name: 'headgate_remarked_sessions_total',
    type: 'counter',
    labels: [],
    help: 'Sessions that got another link because theirs was down',
    read: single(({ remarked }) => remarked),
  },
  {
    name: 'headgate_kept_sessions_total',
    type: 'counter',
    labels: [],
    help: 'Sessions that stayed on a link which the tables no longer give them',
    read: single(({ kept }) => kept),
  },
  {
    name: 'headgate_mark_exceptions',
    type: 'gauge',
    labels: [],
    help: 'Sessions written down because they are elsewhere than the tables say',
    read: single(({ exceptions }) => exceptions),
  },
  {
    name: 'headgate_mark_exceptions_max',
    type: 'gauge',
    labels: [],
    help: 'How many sessions can be written down',
    read: single(({ exceptionsMax }) => exceptionsMax),
  },
  {
    name: 'headgate_mark_exceptions_lost_total',
    type: 'counter',
    labels: [],
    help: 'Sessions written down that had to go for others while they spoke',
    read: single(({ exceptionsLost }) => exceptionsLost),
  },
];
