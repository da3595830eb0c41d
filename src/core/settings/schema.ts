/** The whole of `headgate.yaml` (DESIGN.md section 9), and what it becomes. */
import { z } from 'zod';
import { cluster } from './cluster.ts';
import { dns } from './dns.ts';
import { flows } from './flows.ts';
import { type attribute, blocks, bmp, link, management, mrt, router, wire } from './network.ts';
import { notices } from './notices.ts';
import { outbound } from './outbound.ts';
import { group, maintenance, objective, pin, rails } from './policy.ts';
import { currency } from './price.ts';
import { probe } from './probe.ts';
import { proximity } from './proximity.ts';
import { rpki } from './rpki.ts';
import {
  asn,
  duration,
  listenAddress,
  money,
  path,
  prefix,
  share,
  size,
  weight,
} from './scalars.ts';
import { list, section } from './section.ts';
import { providerCommunities, steering } from './steering.ts';

export const settingsSchema = section({
  asn,
  /** `observe` never announces; `advise` plans and waits for `headgate approve`; `control` acts. */
  mode: z
    .enum(['observe', 'advise', 'control'], { error: 'expected observe, advise or control' })
    .default('observe'),
  networks: list(prefix, 'prefixes', 1000),
  blocks: blocks.prefault({}),
  management: management.prefault({}),
  wires: list(wire, 'wires', 1000).default([]),
  /** What the wires measure beside what decisions need. */
  measure: section({
    /** Round trips of QUIC by its spin bit (RFC 9000 section 17.4): shown, never decided by. */
    quic_spin: z.boolean({ error: 'expected true or false' }).default(false),
  }).prefault({}),
  links: list(link, 'links', 4000),
  routers: list(router, 'routers', 1000).default([]),
  objective: objective.exactOptional(),
  groups: list(group, 'groups').default([]),
  pins: list(pin, '{ block, link }').default([]),
  maintenance: list(maintenance, '{ link, from, to }').default([]),
  rails: rails.prefault({}),
  /** For sums over links that are billed in different currencies. */
  currencies: section({
    reference: currency.default('EUR'),
    /** Units of the reference currency per unit of another, such as { USD: 0.92 }. */
    rates: z.record(currency, money).default({}),
  }).prefault({}),
  /** Lets headgate cut heavy blocks in two and have light ones move together; absent leaves blocks as they are set. */
  regroup: section({
    /** How often, and over which time usage is taken. */
    interval: duration.exactOptional(),
    /** Above this share of the smallest link a block is cut, down to `steering.floor`. */
    heavy: share.default(0.1),
    /** Below this share of all traffic blocks move together; 0 % keeps each alone. */
    light: share.default(0.001),
  }).exactOptional(),
  /** How announcements bias inbound traffic. */
  steering: steering.prefault({}),
  /** The communities that providers act upon, for the rungs `{ provider: NAME }`. */
  provider_communities: list(providerCommunities, '{ asn, actions }', 64).default([]),
  /** Present: destinations are moved between links by their load. */
  outbound: outbound.exactOptional(),
  /** The loop measure → decide → act → verify. */
  cycle: section({
    interval: duration.exactOptional(),
    /** Rates are averages over this time. */
    average: duration.exactOptional(),
  }).prefault({}),
  /** Divides every default time of the loop and the rails: for laboratories, 1 in production. */
  time_scale: weight
    .refine((value) => value >= 1 && value <= 1000, { error: 'expected a number from 1 to 1000' })
    .default(1),
  control: section({
    /** Unix socket of the commands. */
    socket: path
      // A Unix socket's address holds 107 octets, and `control-approve.sock` stands beside `control.sock`.
      .refine((text) => text.length <= 99, { error: 'expected a path of at most 99 characters' })
      .default('/run/headgate/control.sock'),
    /** Group that may do everything over the socket, beside the unit's own user. */
    group: z.string().min(1).exactOptional(),
    /** Group that may read and approve plans, over a socket of its own. */
    approve_group: z.string().min(1).exactOptional(),
    /** Group that may only read, over a socket of its own. */
    read_group: z.string().min(1).exactOptional(),
    /** The audit log; `audit.log` beside the history unless set. */
    audit: path.exactOptional(),
  }).prefault({}),
  metrics: section({
    /** Also serve the report as a live page at `/`: read-only, without authentication. */
    page: z.boolean({ error: 'expected true or false' }).default(false),
    /** Where Prometheus reads `/metrics`; without authentication, so loopback or the management address. */
    listen: listenAddress.exactOptional(),
  }).prefault({}),
  history: section({
    path: path.default('/var/lib/headgate/history.db'),
    keep: duration.default(duration.parse('400d')),
    /** The oldest decisions go when the file would grow beyond this; billing samples stay. */
    max_size: size.default(2e9),
  }).prefault({}),
  /** Writes every cycle's observation, policy and state in the format that tests and replay read. */
  record: section({ path, max_size: size.default(1e9) }).exactOptional(),
  flows: flows.exactOptional(),
  /** Origin validation of our own announcements. */
  rpki: rpki.exactOptional(),
  bmp: bmp.exactOptional(),
  mrt: mrt.exactOptional(),
  probe: probe.exactOptional(),
  /** How near networks are by AS path, where no time was measured. */
  proximity: proximity.exactOptional(),
  dns: dns.exactOptional(),
  notices: notices.exactOptional(),
  /** Present: this unit is one of several. */
  cluster: cluster.exactOptional(),
  log: section({
    level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
    /** Also to a syslog collector, by UDP (RFC 5424, RFC 5426). */
    syslog: listenAddress.exactOptional(),
  }).prefault({}),
});

export type ParsedSettings = z.output<typeof settingsSchema>;
export type Mode = ParsedSettings['mode'];
export type WireSettings = z.output<typeof wire>;
export type LinkSettings = z.output<typeof link>;
export type AttributeSettings = z.output<typeof attribute>;
export type RouterSettings = z.output<typeof router>;
export type RailsSettings = z.output<typeof rails>;
export type GroupSettings = z.output<typeof group>;
