/** Metrics of active probes (RFC 7799). */
import type { Reading } from '../../../metrics/index.ts';
import type { Scrape } from './scrape.ts';

export const probeReadings: ReadonlyArray<Reading<Scrape>> = [
  {
    name: 'headgate_probe_loss_ratio',
    type: 'gauge',
    labels: ['link'],
    help: 'Share of probes lost on the way back by a link, actively measured: the newest 20 of each target',
    read: ({ probes }) =>
      (probes?.links ?? []).map(({ link, lossRatio }) => ({
        labels: { link },
        value: lossRatio.value,
      })),
  },
  {
    name: 'headgate_probe_rtt_seconds',
    type: 'gauge',
    labels: ['link'],
    help: 'Median round-trip time of probes by a link, actively measured',
    read: ({ probes }) =>
      (probes?.links ?? []).flatMap(({ link, rttUs }) =>
        rttUs ? [{ labels: { link }, value: rttUs.value / 1e6 }] : [],
      ),
  },
  {
    name: 'headgate_probe_source_holds',
    type: 'gauge',
    labels: ['link', 'source', 'state'],
    help: '1 while a link is probed with a source address; 0 while its answers come by another link, or none come',
    read: ({ probes }) =>
      (probes?.checks ?? []).map(({ link, source, state }) => ({
        labels: { link, source, state },
        value: state === 'verified' || state === 'unverified' ? 1 : 0,
      })),
  },
  {
    name: 'headgate_probes_sent_total',
    type: 'counter',
    labels: [],
    help: 'Probes sent',
    read: ({ probes }) => (probes ? [{ labels: {}, value: probes.sent }] : []),
  },
  {
    name: 'headgate_link_as_hops',
    type: 'gauge',
    labels: ['link'],
    help: 'Mean of the autonomous systems between the provider and the networks that traffic is with',
    read: ({ loop }) =>
      (loop.last?.observation.links ?? []).flatMap(({ link, asHops }) =>
        asHops ? [{ labels: { link }, value: asHops.value }] : [],
      ),
  },
];
