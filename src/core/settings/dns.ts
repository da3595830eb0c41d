/** The DNS server that answers by resolver: zones, steered names, health checks. */
import { z } from 'zod';
import { address, duration, linkName, whole } from './scalars.ts';
import { list, section } from './section.ts';

/** A host name of at least two labels; the trailing dot is optional. */
const domain = z
  .string()
  .regex(/^(?=.{1,254}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{1,63}\.?$/i, {
    error: 'expected a domain name such as svc.example.net',
  })
  .transform((text) => `${text.toLowerCase().replace(/\.$/, '')}.`);

/** Whole seconds, 1 s to 1 d. */
const ttl = duration.refine((value) => value >= 1000 && value <= 86_400_000 && value % 1000 === 0, {
  error: 'expected whole seconds, 1s to 1d',
});

const check = section({
  /** `tcp`: a connection opens; `http`: a request is answered with the status. */
  kind: z.enum(['tcp', 'http'], { error: 'expected tcp or http' }),
  port: whole(1, 65535),
  /** Path of the request, `http` only. */
  path: z.string().startsWith('/').default('/'),
  /** The Host header, `http` only; the steered name unless set. */
  host: domain.exactOptional(),
  /** The status that counts as healthy; 2xx and 3xx unless set. */
  status: whole(100, 599).exactOptional(),
  interval: duration.default(duration.parse('5s')),
  timeout: duration.default(duration.parse('2s')),
  /** Failures in a row that take an address out. */
  fall: whole(1, 10).default(2),
  /** Successes in a row that bring it back. */
  rise: whole(1, 10).default(2),
});

const steeredName = section({
  name: domain,
  ttl: ttl.default(duration.parse('30s')),
  /** Per provider (a link's name), IPv4 and IPv6. */
  addresses: list(section({ link: linkName, address }), '{ link, address }', 64),
  check: check.exactOptional(),
});

const zone = section({
  /** The delegated zone: a sub-zone below an existing one. */
  name: domain,
  /** Name and address of each name server, one in each provider's space. */
  nameservers: list(
    section({ name: domain, addresses: list(address, 'addresses', 16) }),
    '{ name, addresses }',
    13,
  ),
  /** Mailbox of the person responsible, as a domain name. */
  hostmaster: domain.exactOptional(),
  ttl: ttl.default(duration.parse('1h')),
  /** How long a negative answer is kept. */
  negative_ttl: ttl.default(duration.parse('60s')),
  /** A zone file with other records; SOA and NS in it replace those made from these settings. */
  file: z.string().min(1).exactOptional(),
});

export const dns = section({
  /** Addresses that are answered at, one in each provider's space. */
  listen: list(
    // At a wildcard the kernel would choose the source of an answer, and the asker would discard it.
    address.refine((text) => text !== '::' && text !== '0.0.0.0', {
      error: 'expected an address of this machine: answers leave from the one that was asked',
    }),
    'addresses',
    64,
  ),
  port: whole(1, 65535).default(53),
  zones: list(zone, '{ name, nameservers, file }', 64),
  names: list(steeredName, '{ name, addresses }', 1000),
  /** Whether client subnets (RFC 7871) decide in the resolver's place. */
  client_subnet: z.boolean().default(true),
  /** DNS cookies (RFC 7873): 32 hexadecimal digits shared by all units that serve one address; random unless set. */
  cookie_secret: z
    .string()
    .regex(/^[0-9a-f]{32}$/i, { error: 'expected 32 hexadecimal digits' })
    .exactOptional(),
  /** Networks that are told apart, in prefix bits. */
  granularity: section({
    ipv4: whole(8, 32).default(24),
    ipv6: whole(16, 64).default(56),
  }).default({ ipv4: 24, ipv6: 56 }),
  /** Like UDP responses per second to one network; 0 limits nothing. Every `slip`-th above goes out truncated. */
  rate_limit: section({
    responses_per_second: whole(0, 1_000_000).default(200),
    slip: whole(0, 10).default(2),
  }).default({ responsesPerSecond: 200, slip: 2 }),
});

export type DnsSettings = z.output<typeof dns>;
