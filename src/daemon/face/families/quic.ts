/** Metrics of QUIC by its spin bit, where it is followed: apart from TCP's round trips, and part of no decision. */
import type { QuicCount } from '../../../engine/index.ts';
import type { Reading, Sample } from '../../../metrics/index.ts';
import type { Scrape } from './scrape.ts';

export const quicReadings: ReadonlyArray<Reading<Pick<Scrape, 'snapshot'>>> = [
  {
    name: 'headgate_quic_sessions_total',
    type: 'counter',
    labels: ['wire'],
    help: 'QUIC sessions seen, where the spin bit is followed',
    read: (scrape) => perWire(scrape, ({ sessions }) => [{ value: sessions }]),
  },
  {
    name: 'headgate_quic_spinning_sessions_total',
    type: 'counter',
    labels: ['wire'],
    help: "Of them, those whose bit turned as a client's and a server's do: what the round trips cover",
    read: (scrape) => perWire(scrape, ({ spinning }) => [{ value: spinning }]),
  },
  {
    name: 'headgate_quic_refused_packets_total',
    type: 'counter',
    labels: ['wire'],
    help: 'Packets of QUIC sessions for which there was no room',
    read: (scrape) => perWire(scrape, ({ packetsRefused }) => [{ value: packetsRefused }]),
  },
  {
    name: 'headgate_quic_spin_rtt_seconds',
    type: 'gauge',
    labels: ['wire', 'percentile'],
    help: 'Round trips between the unit and either end by the spin bit: low ones only, the rest is too long as often as not',
    read: (scrape) =>
      perWire(scrape, ({ rttUsP5, rttUsP25 }) =>
        [
          { percentile: '5', us: rttUsP5 },
          { percentile: '25', us: rttUsP25 },
        ].flatMap(({ percentile, us }) =>
          us === undefined ? [] : [{ labels: { percentile }, value: us / 1e6 }],
        ),
      ),
  },
];

function perWire(
  { snapshot }: Pick<Scrape, 'snapshot'>,
  read: (
    quic: QuicCount,
  ) => ReadonlyArray<{ readonly labels?: Sample['labels']; readonly value: number }>,
): readonly Sample[] {
  return (snapshot?.wires ?? []).flatMap(({ wire, quic }) =>
    quic === undefined
      ? []
      : read(quic).map(({ labels, value }) => ({ labels: { wire, ...labels }, value })),
  );
}
