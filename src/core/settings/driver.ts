/** Routers that are configured: where a session cannot be had, may not inject, or packets cannot be marked. */
import { z } from 'zod';
import { duration, ipv4, ipv6, whole } from './scalars.ts';
import { list, section } from './section.ts';

const path = z.string({ error: 'expected a path' }).min(1, { error: 'expected a path' });

export const driver = section({
  /** `linux` is a router whose daemon is left alone: it takes sessions only. */
  kind: z.enum(['bird', 'frr', 'linux'], { error: 'expected bird, frr or linux' }),
  /** A program and its arguments that runs a command on the router, such as ssh; absent is this machine. */
  shell: list(z.string().min(1), 'a program and its arguments', 64).default([]),
  /** A command that takes longer has failed. */
  timeout: duration.default(duration.parse('20s')),
  /** BIRD: its configuration, which holds the marks of our section. */
  file: path.exactOptional(),
  /** BIRD: its control socket, where it is not at its default place. */
  socket: path.exactOptional(),
  /** FRR: how vtysh is run there. */
  vtysh: list(z.string().min(1), 'a program and its arguments', 64).default(['vtysh']),
  /** On the router, for the timers that undo a change which nobody confirms. */
  folder: path.default('/run/headgate-router'),
  /** Announces our blocks, where no session does. */
  blocks: z.boolean().default(false),
  /** The inside next hops of our blocks. Never the unit. */
  next_hop: section({ ipv4: ipv4.exactOptional(), ipv6: ipv6.exactOptional() }).exactOptional(),
  /** Carries outbound traffic: whole destinations, or the heaviest sessions one by one. */
  outbound: z
    .enum(['destinations', 'sessions'], { error: 'expected destinations or sessions' })
    .exactOptional(),
  /** The most sessions that are routed one by one: each rule costs every packet of the router a look-up. */
  sessions: whole(1, 1024).default(256),
});
