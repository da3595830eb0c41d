/** Several units as one, over NATS: who they are, how they meet, and how long each waits for the others. */
import { z } from 'zod';
import {
  address,
  duration,
  name,
  natsServer,
  path,
  prefix,
  rateOrZero,
  share,
  whole,
} from './scalars.ts';
import { list, section } from './section.ts';

/** Units that have a wire or a router: one, or two as a hot-standby pair. */
export const owners = z.union([name.transform((text) => [text]), list(name, 'units', 2)], {
  error: 'expected a name of cluster.units, or two of them',
});

const unit = section({
  name,
  /** Our hosts behind this unit, whose outgoing traffic leaves by its wires: of others it is counted apart. All unless set. */
  portion: list(prefix, 'prefixes', 1000).exactOptional(),
  /** Its `management.address` and `management.egress_address`: what `router-config` prints at any unit. */
  address: address.exactOptional(),
  egress_address: address.exactOptional(),
});

export const cluster = section({
  /** Begins every subject and bucket, so that several networks may share a NATS. */
  network: name,
  /** Which of them this one is; the name of the machine unless set. */
  unit: name.exactOptional(),
  units: list(unit, '{ name }', 256),
  servers: list(natsServer, 'addresses such as tls://10.0.0.5:4222', 16),
  /** A credentials file (JWT and nkey). */
  credentials: path.exactOptional(),
  /** In its place a file with an nkey's seed. */
  nkey: path.exactOptional(),
  /** Files in PEM. With `cert` and `key` the unit shows a certificate of its own. */
  tls: section({
    ca: path.exactOptional(),
    cert: path.exactOptional(),
    key: path.exactOptional(),
  }).exactOptional(),
  /** How long one unit decides without renewing its right to: another takes over after at most two of them. */
  lease: duration.default(duration.parse('5s')),
  /** Who was not heard for so long counts as lost. */
  silent: duration.default(duration.parse('15s')),
  /** How long a unit that is cut off keeps the last plan, before it returns to plain BGP. */
  hold: duration.default(duration.parse('10m')),
  /** Sessions that go out at one unit and come in at another: of which a share is joined, within a bandwidth per unit. */
  joined: section({
    share: share.default(0.01),
    bandwidth: rateOrZero.default(rateOrZero.parse('200k')),
  }).prefault({}),
  /** Copies of what is kept: 3 on a NATS of three nodes. */
  replicas: whole(1, 5).default(1),
});

export type ClusterSettings = z.output<typeof cluster>;
