/** Active probes: what is asked, how often, and what is never asked. */
import { z } from 'zod';
import { address, duration, prefix, share, whole } from './scalars.ts';
import { list, section } from './section.ts';

const target = section({
  address,
  method: z.enum(['icmp', 'tcp', 'udp'], { error: 'expected icmp, tcp or udp' }).default('icmp'),
  /** For tcp, and for udp (a DNS query; 53). */
  port: whole(1, 65535).exactOptional(),
});

export const probe = section({
  /** Always probed. */
  targets: list(target, '{ address, method, port }', 10_000).default([]),
  /** Also the busiest destinations and sources that traffic shows; 0 turns it off. */
  found: whole(0, 10_000).default(200),
  /** Between two probes of one target over one link; spread by half. */
  interval: duration.default(duration.parse('10s')),
  timeout: duration.default(duration.parse('2s')),
  budget: section({
    /** Probes per second over one link. */
    per_link: whole(1, 100_000).default(100),
    /** Probes per second into one /24 or /48 over all links. */
    per_network: whole(1, 1000).default(2),
  }).prefault({}),
  /** Networks that are never probed. */
  never: list(prefix, 'prefixes').default([]),
  /** How long a network is left alone that answers "administratively prohibited". */
  prohibited_for: duration.default(duration.parse('1d')),
  /** A change is reported when chance explains it less often than this. */
  significance: share.default(share.parse('0.1%')),
});

export type ProbeSettings = z.output<typeof probe>;
