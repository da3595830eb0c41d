/** Sessions of the speaker with real routers: each case over every implementation. */
import { existsSync } from 'node:fs';
import t, { type Test } from 'tap';
import { enterBorder, missingMeans } from './border.ts';
import { external, internal, learned, severalPaths } from './cases/exchange.ts';
import { resetInMessage, routerKilled, silence, unitKilled } from './cases/outage.ts';
import { hops, signed } from './cases/security.ts';
import { flood, malformed } from './cases/trouble.ts';
import { bird } from './routers/bird.ts';
import { exabgp } from './routers/exabgp.ts';
import { frr } from './routers/frr.ts';
import { gobgp } from './routers/gobgp.ts';
import { openbgpd } from './routers/openbgpd.ts';
import type { RouterKind } from './routers/router.ts';
import { isLong } from './suite.ts';

/** A part of an implementation's or case's name: only those run. */
const only = process.env.HEADGATE_ONLY ?? '';
const both: readonly RouterKind[] = [bird, frr];
/** The long run has every implementation and every case; the default a sample of the cases over two. */
const kinds: readonly RouterKind[] = isLong ? [bird, frr, gobgp, openbgpd, exabgp] : both;

async function runAll(): Promise<void> {
  for (const kind of kinds) {
    const absent = kind.programs.find((program) => !existsSync(program));
    if (absent) {
      t.pass(kind.name, { skip: `${absent} is not installed` });
      continue;
    }
    await t.test(kind.name, async (t) => {
      for (const { name, needs, sample, run } of cases) {
        if ((!isLong && !sample.includes(kind)) || !`${kind.name} ${name}`.includes(only)) continue;
        if (!needs(kind)) await t.test(name, { skip: `${kind.name} cannot` }, async () => {});
        else await t.test(name, (t) => run(t, kind));
      }
    });
  }
}

interface Case {
  readonly name: string;
  /** The implementations over which it runs by default; in the long run over all. */
  readonly sample: readonly RouterKind[];
  readonly needs: (kind: RouterKind) => boolean;
  readonly run: (t: Test, kind: RouterKind) => Promise<void>;
}

const always = () => true;
const cases: readonly Case[] = [
  {
    name: 'iBGP over IPv4: announce, change, withdraw, refresh',
    sample: both,
    needs: always,
    run: (t, kind) => internal(t, kind, 'ipv4'),
  },
  {
    name: 'iBGP over IPv6',
    sample: both,
    needs: always,
    run: (t, kind) => internal(t, kind, 'ipv6'),
  },
  {
    name: 'eBGP with a private AS, and prepends in the path',
    sample: both,
    needs: always,
    run: external,
  },
  {
    name: 'the inside next hop is learned from the aggregate',
    sample: both,
    needs: (kind) => kind.can.nextHopKept,
    run: learned,
  },
  { name: 'TCP MD5, and a wrong key', sample: both, needs: (kind) => kind.can.md5, run: signed },
  { name: 'GTSM', sample: [], needs: (kind) => kind.can.gtsm, run: hops },
  { name: 'the router is killed and comes back', sample: both, needs: always, run: routerKilled },
  {
    name: 'the unit is killed: its routes stay for the restart time, no longer',
    sample: [frr],
    needs: (kind) => kind.can.gracefulRestart,
    run: unitKilled,
  },
  {
    name: 'add-path, both ways',
    sample: [bird],
    needs: (kind) => kind.can.addPath && kind.can.transit,
    run: severalPaths,
  },
  { name: 'malformed attributes', sample: [frr], needs: always, run: malformed },
  { name: 'a reset in the middle of a message', sample: [frr], needs: always, run: resetInMessage },
  { name: 'a flood of updates', sample: [], needs: (kind) => kind.can.transit, run: flood },
  {
    name: 'a silent wire: the hold timer ends the session, and it returns',
    sample: [],
    needs: always,
    run: silence,
  },
];

// The long run keeps four implementations waiting for two minutes each.
t.setTimeout(isLong ? 1_800_000 : 400_000);
const why = missingMeans();
if (why) t.pass('conformance of BGP', { skip: why });
else if (await enterBorder(import.meta.url)) await runAll();
