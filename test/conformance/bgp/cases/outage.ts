/** One side dies, or the wire between: what is kept, for how long, and that nothing stale is left. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { run } from '../../../../src/lab/namespaces.ts';
import { openPlainSocket } from '../../../../src/speaker/sockets.ts';
import { eventually } from '../border.ts';
import type { RouterKind } from '../routers/router.ts';
import {
  announce,
  block,
  established,
  find,
  isLong,
  open,
  openRouter,
  peerName,
  phase,
} from '../suite.ts';
import { cutInMessage } from '../tamper.ts';

export async function routerKilled(t: Test, kind: RouterKind): Promise<void> {
  const { router, speaker } = await open(t, kind, { gracefulRestartS: 60 });
  announce(speaker, block('198.51.100.0/24'));
  await eventually('the block arrives', () => find(router, '198.51.100.0/24'));
  await router.kill();
  await eventually('the session is lost', () => phase(speaker) !== 'established');
  await router.restart();
  await established(speaker);
  await eventually('the block is told again', () => find(router, '198.51.100.0/24'));
  await eventually('nothing stale is left', () =>
    speaker.routesFrom(peerName).every(({ isStale }) => !isStale),
  );
  t.pass();
}

/** Seconds that a router is asked to keep our routes: what a unit in service asks for, or less in the default run. */
const keptS = isLong ? 120 : 4;

/** A unit in a process of its own, killed by SIGKILL: only the kernel says goodbye. */
export async function unitKilled(t: Test, kind: RouterKind): Promise<void> {
  const router = await openRouter(t, kind, { gracefulRestartS: 180 });
  const unit = await startUnitProcess(t, keptS);
  await eventually('the block arrives', () => find(router, '198.51.100.0/24'));
  await unit.hasSaidAll;
  const gone = once(unit.child, 'close');
  unit.child.kill('SIGKILL');
  await gone;
  const killedMs = performance.now();
  const isKept = () => find(router, '198.51.100.0/24');
  // A second before the end at the latest: the router's clock began a little after ours.
  const sureMs = keptS * 1000 - 1_000;
  let goneMs: number | undefined;
  await eventually(
    'the agreed time passes, or the block goes',
    async () => {
      const isThere = await isKept();
      // Asked before the end and answered after it says nothing.
      const elapsedMs = performance.now() - killedMs;
      if (!isThere && elapsedMs <= sureMs) goneMs = elapsedMs;
      return goneMs !== undefined || elapsedMs > sureMs;
    },
    sureMs + 30_000,
  );
  t.equal(goneMs, undefined, `steering is kept for ${keptS} s`);
  await eventually('nothing is left after that', async () => !(await isKept()), 60_000);
}

interface UnitProcess {
  readonly child: ChildProcess;
  /** Our End-of-RIB is sent: graceful restart is now worth something. */
  readonly hasSaidAll: Promise<unknown>;
}

async function startUnitProcess(t: Test, gracefulRestartS: number): Promise<UnitProcess> {
  const script = fileURLToPath(new URL('../unit-process.js', import.meta.url));
  const child = spawn(process.execPath, [script, String(gracefulRestartS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  return { child, hasSaidAll: once(createInterface(child.stdout), 'line') };
}

export async function silence(t: Test, kind: RouterKind): Promise<void> {
  const { router, speaker } = await open(t, kind, { holdTimeS: 6 }, { holdTimeS: 6 });
  announce(speaker, block('198.51.100.0/24'));
  await eventually('the block arrives', () => find(router, '198.51.100.0/24'));
  // Packets vanish and nobody is told: the address stays, its traffic does not pass.
  const wall =
    'table inet hgb { chain out { type filter hook output priority 0; tcp dport 179 drop; }; }';
  await run(['nft', '-f', '-'], wall);
  const lift = () => run(['nft', 'delete', 'table', 'inet', 'hgb']).catch(() => '');
  t.teardown(lift);
  await eventually('the session is lost', () => phase(speaker) !== 'established');
  await lift();
  await established(speaker);
  await eventually('the block is told again', () => find(router, '198.51.100.0/24'));
  t.pass();
}

/** A connection that is reset when half of an UPDATE has come: the half is forgotten, the next session has all. */
export async function resetInMessage(t: Test, kind: RouterKind): Promise<void> {
  let cuts = 0;
  const { router, speaker } = await open(t, kind, { awaitSession: false }, {}, async (request) => {
    const socket = await openPlainSocket(request);
    return cuts > 0 ? socket : cutInMessage(socket, () => cuts++);
  });
  await eventually('the connection was cut', () => cuts === 1, 40_000);
  await established(speaker);
  announce(speaker, block('198.51.100.0/24'));
  await eventually('the block arrives', () => find(router, '198.51.100.0/24'));
  const all = () => speaker.routesFrom(peerName).filter(({ isStale }) => !isStale);
  await eventually('all routes are there, none stale', () => all().length === 2);
  t.equal(speaker.sessions()[0]?.counters['error.marker'], undefined, 'the stream is in step');
}
