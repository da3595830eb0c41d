/** Flow exports: NetFlow v5 and v9, IPFIX and sFlow v5 over UDP. */
import { z } from 'zod';
import { address, duration, linkName, listenAddress, routerName, whole } from './scalars.ts';
import { list, section } from './section.ts';

const exporter = section({
  /** The address that its datagrams come from. Others are counted and not read. */
  address,
  /** The router that exports: its interface numbers are then found by SNMP from the links' `interface`. */
  router: routerName.exactOptional(),
  /** One of how many packets it samples, where it does not say so itself or says it wrongly. */
  sampling: whole(1, 1_000_000).exactOptional(),
  /** Which records count where both directions of every interface are metered. */
  metering: z
    .enum(['ingress', 'egress', 'any'], { error: 'expected ingress, egress or any' })
    .default('any'),
  /** Bytes that layer 2 adds to an IP packet; 18 is Ethernet with its checksum, as providers bill. */
  layer2_overhead: whole(0, 64).default(18),
  /** What its octets count: some software exporters count whole frames. */
  octets: z.enum(['ip', 'layer2'], { error: 'expected ip or layer2' }).default('ip'),
  /** Interface numbers of the links, where SNMP does not give them. */
  interfaces: list(
    section({ link: linkName, if_index: whole(1, 2_147_483_647) }),
    '{ link, if_index }',
    64,
  ).default([]),
});

export const flows = section({
  listen: list(listenAddress, 'addresses with port', 8),
  exporters: list(exporter, 'exporters', 64),
  /** How destinations are cut where no route from BGP covers them. */
  destinations: section({
    ipv4: whole(8, 32).default(24),
    ipv6: whole(16, 48).default(48),
    /** The most (destination, link) pairs of one cycle; what is beyond still counts for its link. */
    max: whole(1, 4_000_000).default(200_000),
  }).prefault({}),
  /** A template not repeated for this long is forgotten. */
  template_lifetime: duration.default(duration.parse('30m')),
  /** A record whose last packet is older than this is left out. */
  record_age: duration.default(duration.parse('10m')),
});

export type FlowsSettings = z.output<typeof flows>;
