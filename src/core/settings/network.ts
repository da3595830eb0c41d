/** Wires, links and routers: what the unit is connected to. */
import { z } from 'zod';
import type { PrefixText } from '../base/units.ts';
import { owners } from './cluster.ts';
import { driver } from './driver.ts';
import { price } from './price.ts';
import {
  address,
  asn,
  duration,
  interfaceName,
  ipv4,
  ipv6,
  linkName,
  listenAddress,
  mac,
  name,
  prefix,
  rate,
  routerName,
  routerPort,
  share,
  size,
  whole,
} from './scalars.ts';
import { list, section } from './section.ts';
import { snmp } from './snmp.ts';

/** How networks are divided, or the blocks themselves. */
export const blocks = z.union(
  [
    section({
      /** Length of IPv4 blocks, 8 to 32. */
      ipv4: whole(8, 32).default(24),
      /** Length of IPv6 blocks, 16 to 64. */
      ipv6: whole(16, 64).default(40),
    }),
    list(
      z.union([
        prefix.transform((text): { readonly prefix: PrefixText; readonly group?: string } => ({
          prefix: text,
        })),
        section({ prefix, group: name.exactOptional() }),
      ]),
      'prefixes, or of { prefix, group }',
    ),
  ],
  { error: 'expected { ipv4: 24, ipv6: 40 }, or a list of prefixes' },
);

export const management = section({
  /** Where BGP, probes, DNS and NATS live. */
  interface: interfaceName.exactOptional(),
  /** Our address there: the source of BGP sessions, and the BGP identifier unless `router_id` is set. */
  address: address.exactOptional(),
  /** A second address of ours: the source of the sessions that tell routers of detours (outbound steering). */
  egress_address: address.exactOptional(),
  /** BGP identifier (RFC 6286): dotted decimal, unique within the AS. */
  router_id: ipv4.exactOptional(),
});

export const wire = section({
  name,
  /** Of several units those that have it: each may have a wire of this name, with interfaces of its own. */
  unit: owners.exactOptional(),
  /** Of two units with this wire: traffic passes both (`series`), or each has a part of it (`parallel`). */
  pair: z
    .enum(['parallel', 'series'], { error: 'expected parallel or series' })
    .default('parallel'),
  /** `inside`: between our hosts and the border router; `link`: between the border router and a provider. */
  place: z.enum(['inside', 'link'], { error: 'expected inside or link' }),
  /** Interface towards our network. */
  inside: interfaceName,
  /** Interface towards the border; none with `driver: mirror`. */
  outside: interfaceName.exactOptional(),
  /** A program and its arguments that is told `ready`, `bypass` and `released`: it drives a bypass relay. */
  hook: list(z.string().min(1), 'a program and its arguments', 64).exactOptional(),
  hook_timeout: duration.default(duration.parse('10s')),
  /** `pass`: a port without carrier takes the other one down, so that both ends see it. */
  link_state: z.enum(['keep', 'pass'], { error: 'expected keep or pass' }).default('keep'),
  driver: z
    .enum(['auto', 'af_packet', 'tc', 'xdp', 'mirror'], {
      error: 'expected auto, af_packet, tc, xdp or mirror',
    })
    .default('auto'),
  /** Packet loops that share its sessions, each with a thread and tables of its own; more than one: `driver: af_packet`. */
  workers: whole(1, 8).default(1),
});

const vlan = whole(1, 4094);
const dscp = whole(0, 63);

/** How a packet is known to have used the link. On a wire of place `link` the wire alone says it. */
export const attribute = section({
  wire: name,
  mac: mac.exactOptional(),
  vlan: vlan.exactOptional(),
  dscp: dscp.exactOptional(),
});

const mark = z.union([section({ dscp }), section({ vlan })], {
  error: 'expected { dscp: 0…63 } or { vlan: 1…4094 }',
});

export const link = section({
  name: linkName,
  /** The provider's AS number. */
  asn,
  capacity: rate,
  price: price.exactOptional(),
  attribute: attribute.exactOptional(),
  mark: mark.exactOptional(),
  router: routerName.exactOptional(),
  /** The provider's addresses on the link: next hops by which its routes are known, where the AS number does not tell. */
  neighbor: z
    .union([address.transform((text) => [text]), list(address, 'addresses', 4)])
    .exactOptional(),
  /** Load at which destinations leave this link; `outbound.threshold` unless set. */
  outbound_threshold: share.exactOptional(),
  /** Links that share one port share its capacity. */
  port: name.exactOptional(),
  /** Addresses routed to us by this link alone: probes leave with them and their answers return by it. */
  source: z
    .union([address.transform((text) => [text]), list(address, 'addresses', 2)])
    .exactOptional(),
  /** Where this machine itself chooses the way out of probes: by a firewall mark of its routing rules, or an interface. */
  probe_by: section({
    fwmark: whole(1, 4_294_967_295).exactOptional(),
    interface: interfaceName.exactOptional(),
  }).exactOptional(),
  /** Name or alias of the router's interface for this link (IF-MIB ifName or ifAlias), for SNMP and flows. */
  interface: routerPort.exactOptional(),
});

const bgp = section({
  /** TCP MD5 key (RFC 2385); better kept in a file of its own, see `md5_file`. */
  md5: z.string().min(1).max(80).exactOptional(),
  /** A file whose first line is that key: a path, or without a slash the name of a systemd credential. */
  md5_file: z.string().min(1).exactOptional(),
  port: whole(1, 65535).exactOptional(),
  /** Our end; the management address unless set. */
  local_address: address.exactOptional(),
  /** Our end of the session for detours; `management.egress_address` unless set. iBGP only. */
  egress_address: address.exactOptional(),
  /** GTSM (RFC 5082): the router is at most this many hops away. */
  ttl_security_hops: whole(1, 254).exactOptional(),
  /** Wait for the router to connect. */
  passive: z.boolean().exactOptional(),
  /** 0 or 3 s to 65535 s (RFC 4271 section 4.2). */
  hold_time: duration
    .refine((value) => value === 0 || (value >= 3000 && value <= 65_535_000), {
      error: 'expected 0s, or 3s to 65535s',
    })
    .exactOptional(),
  /** Several paths per prefix (RFC 7911). */
  add_path: z.boolean().exactOptional(),
  /** How long the router keeps our routes when our process dies (RFC 4724); 0s turns it off. */
  graceful_restart: duration.exactOptional(),
  /** Our role towards the neighbour (RFC 9234), for eBGP. */
  role: z.enum(['provider', 'rs', 'rs_client', 'customer', 'peer']).exactOptional(),
  /** Next hops for blocks of a router that does not tell its own. Never the unit. */
  next_hop: section({ ipv4: ipv4.exactOptional(), ipv6: ipv6.exactOptional() }).exactOptional(),
  /**
   * Blocks are held back everywhere while this router does not carry them, else its links would lose their traffic to
   * the others; false goes on without it.
   */
  required: z.boolean().default(true),
  /**
   * How prepends are asked for: by a community that the router's policy carries out, or by our AS in the path itself, of a
   * router with one link that accepts its own AS there and says by BMP that it kept the route.
   */
  prepend: z.enum(['community', 'path']).default('community'),
  announce_delay: duration.exactOptional(),
  mrai: duration.exactOptional(),
  max_prefixes: whole(1, 10_000_000).exactOptional(),
});

/** A station of the BGP Monitoring Protocol (RFC 7854): routers connect and tell what they hear and say. */
export const bmp = section({
  /** Where routers connect; they are known by `routers[].address`. */
  listen: listenAddress,
  /** Paths of one table beyond these are not kept. */
  max_paths: whole(1, 100_000_000).default(2_500_000),
});

/** What sessions hear, as MRT records (RFC 6396), for bug reports. */
export const mrt = section({
  path: z.string({ error: 'expected a path' }).min(1, { error: 'expected a path' }),
  /** Renamed to `PATH.1` and begun anew before it grows beyond this. */
  max_size: size.default(1e9),
});

export const router = section({
  name: routerName,
  address,
  /** Of several units those that peer with it and read it. */
  unit: owners.exactOptional(),
  /** The unit's own AS number unless set. */
  asn: asn.exactOptional(),
  /** By which our other routers reach what it knows, where they take detours by its links; its address unless set. */
  inside: list(address, 'addresses', 2).exactOptional(),
  /**
   * It has BGP customers of its own, from whom NO_EXPORT would hide a detour's prefix: detours are only advised. With their
   * addresses, and a driver that can read, they are carried out where its export policy by marker is seen to work.
   */
  bgp_customers: z
    .union([z.boolean(), list(address, 'addresses', 256)], {
      error: 'expected true, false or the addresses of its customers',
    })
    .default(false),
  /** Present: the unit holds a BGP session with this router. */
  bgp: bgp.exactOptional(),
  /** Present: its interface counters are read. */
  snmp: snmp.exactOptional(),
  /** Present: it is configured, for what no session and no mark carries. */
  driver: driver.exactOptional(),
});
