/**
 * Retransmissions as the wire counts them beside those that the sending kernel counts (RetransSegs), while a bridge on
 * the inside drops at random:
 *
 *   TAGi [ i0 ]──[ m0  TAGm: bridge, drops  m1 ]──[ in0  TAGu  out0 ]──[ o0 ] TAGo
 *
 * What is inbound gets lost beyond the unit, what is outbound before it.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { linkId, prefixText } from '../../src/core/base/units.ts';
import type { Driver, TcpCount } from '../../src/engine/index.ts';
import { Border, insideAddress, outsideAddress, type Side, unfit, until } from './border.ts';
import { transfer } from './transfer.ts';
import { WireCommand } from './wire-command.ts';

const isLong = process.env.HEADGATE_LONG === '1';
/** Of all packets. One that is sent again and lost again before the unit is one that it never sees. */
const lossRate = 0.005;
const tag = 'hgwx';
const folder = mkdtempSync(join(tmpdir(), 'headgate-exact-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
t.setTimeout(600_000);

const ip = (...args: readonly string[]) =>
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });

function removeMiddle(): void {
  try {
    execFileSync('ip', ['netns', 'del', `${tag}m`], { stdio: 'ignore' });
  } catch {
    // Not there: the usual case.
  }
}

/** Puts the lossy bridge between the inside host and the unit. */
function insertMiddle(border: Border): void {
  const middle = `${tag}m`;
  removeMiddle();
  ip('netns', 'add', middle);
  border.run('unit', 'ip', 'link', 'del', 'in0');
  const cable = (space: string, name: string, far: string) =>
    ip('-n', space, 'link', 'add', name, 'type', 'veth', 'peer', 'name', far, 'netns', middle);
  cable(border.namespace('inside'), 'i0', 'm0');
  cable(border.namespace('unit'), 'in0', 'm1');
  ip('-n', middle, 'link', 'add', 'br0', 'type', 'bridge');
  for (const port of ['m0', 'm1']) ip('-n', middle, 'link', 'set', port, 'master', 'br0', 'up');
  ip('-n', middle, 'link', 'set', 'br0', 'up');
  ip('-n', border.namespace('inside'), 'address', 'add', `${insideAddress}/24`, 'dev', 'i0');
  border.run('inside', 'ip', 'link', 'set', 'i0', 'up');
  border.run('unit', 'ip', 'link', 'set', 'in0', 'up');
  // What has data is counted by where it came from.
  const rules = `table bridge lossy {
    counter outbound { }; counter inbound { };
    chain forward { type filter hook forward priority 0; ip protocol tcp numgen random mod 1000 < ${lossRate * 1000} jump lost; };
    chain lost { iifname "m0" ip length > 100 counter name outbound; iifname "m1" ip length > 100 counter name inbound; drop; };
  }`;
  nft(rules);
}

const nft = (...args: readonly string[]) =>
  execFileSync('ip', ['netns', 'exec', `${tag}m`, 'nft', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });

/** Segments with data that the bridge has dropped. */
function dropped(direction: 'inbound' | 'outbound'): number {
  const { nftables } = JSON.parse(nft('-j', 'list', 'counter', 'bridge', 'lossy', direction));
  return nftables.find((each: object) => 'counter' in each).counter.packets;
}

/** Segments that the kernel of a host has sent again. */
function retransmitted(border: Border, side: Side): number {
  const [names, values] = border
    .run(side, 'cat', '/proc/net/snmp')
    .split('\n')
    .filter((line) => line.startsWith('Tcp:'))
    .map((line) => line.split(' '));
  return Number(values?.[names?.indexOf('RetransSegs') ?? -1]);
}

const serve = `require('net').createServer((s) => { s.on('error', () => {}); s.end(Buffer.alloc(60_000)); }).listen(7001)`;
/** Five at a time, for the sake of the queues: 42 segments each. */
const fetchMany = (count: number) =>
  `let left = ${count}, open = 0; const next = () => { while (open < 5 && left > 0) { open++; left--;
  const s = require('net').connect(7001, '${outsideAddress}'); s.resume(); s.on('error', () => {});
  s.on('close', () => { open--; next(); }); } }; next();`;

async function shortConnections(border: Border, count: number): Promise<void> {
  const server = border.start('outside', process.execPath, '-e', serve);
  await until(
    'the server listens',
    () => border.run('outside', 'ss', '-Hltn'),
    (text) => text.includes(':7001'),
  );
  await border.runAside('inside', process.execPath, '-e', fetchMany(count));
  server.kill('SIGKILL');
}

async function compare(t: Test, driver: Driver): Promise<void> {
  const border = new Border(tag);
  const command = new WireCommand(folder, driver);
  t.teardown(() => {
    command.run(border, 'release');
    border.close();
    removeMiddle();
  });
  insertMiddle(border);
  border.setOffloads('off');
  if (driver === 'xdp') {
    border.fitPeers();
    execFileSync('ip', ['netns', 'exec', `${tag}m`, 'ethtool', '-K', 'm1', 'gro', 'on']);
  }
  // A machine that is busy bypasses an af_packet wire now and then, and what is bypassed is not measured.
  if (driver !== 'af_packet') t.equal(command.run(border, 'install').code, 0);
  const unit = await border.openUnit(
    {
      wires: [{ name: 'core', place: 'link', inside: 'in0', outside: 'out0', driver }],
      tables: {
        blocks: [prefixText(`${insideAddress}/32`)],
        links: [{ link: linkId('north'), attribute: { wire: 'core' } }],
      },
    },
    { inMountNamespace: true },
  );
  const megabytes = isLong ? 400 : 80;
  // Less in flight than any queue on the way holds (256 packets of a virtual port, 1000 of a processor's backlog): when
  // the machine stands still they fill, and what they drop would be a third place of loss.
  const pace = ['-b', '200M', '-w', '96K'] as const;
  const cases = [
    {
      what: 'one stream, lost beyond',
      sender: 'outside',
      direction: 'inbound',
      run: () => transfer(border, megabytes, '-R', ...pace),
      kind: 'lostBeyond',
    },
    {
      what: 'one stream, lost before',
      sender: 'inside',
      direction: 'outbound',
      run: () => transfer(border, megabytes, ...pace),
      kind: 'lostBefore',
    },
    {
      what: 'short connections, lost beyond',
      sender: 'outside',
      direction: 'inbound',
      run: () => shortConnections(border, isLong ? 3000 : 400),
      kind: 'lostBeyond',
    },
  ] as const;
  for (const { what, sender, direction, run, kind } of cases) {
    const count = async (): Promise<TcpCount | undefined> =>
      (await unit.snapshot()).links[0]?.tcp[direction];
    const before = {
      kernel: retransmitted(border, sender),
      wire: await count(),
      dropped: dropped(direction),
    };
    await run();
    const since = (now: TcpCount | undefined, key: keyof TcpCount) =>
      (now?.[key] ?? 0) - (before.wire?.[key] ?? 0);
    const isNear = (seen: number, sent: number) => {
      // One in a hundred, and what was lost twice: so many in the mean, and three standard deviations more.
      const unseen = kind === 'lostBefore' ? sent * lossRate : 0;
      return Math.abs(seen - sent) <= Math.max(sent / 100 + unseen + 3 * Math.sqrt(unseen), 4);
    };
    const { kernel, wire } = await until(
      `${driver}, ${what}: both counts agree`,
      async () => ({ kernel: retransmitted(border, sender) - before.kernel, wire: await count() }),
      ({ kernel, wire }) => isNear(since(wire, 'retransmittedSegments'), kernel),
      10_000,
    );
    const lost = dropped(direction) - before.dropped;
    t.comment(
      `${driver}, ${what}: the sender's kernel repeated ${kernel}, the wire counts ${since(wire, 'retransmittedSegments')}; ` +
        `the bridge dropped ${lost}, the wire says ${since(wire, 'lostBefore')} before it and ${since(wire, 'lostBeyond')} beyond, of which its receiver had ${since(wire, 'needless')}`,
    );
    t.ok(kernel > 20, `${what}: enough to compare`);
    // A host that stood still also repeats what was not lost: that is known only where its receiver reports it.
    const slack = Math.max(lost / 20, 4);
    const lostBefore = kind === 'lostBefore' ? lost : 0;
    t.ok(
      Math.abs(since(wire, 'lostBefore') - lostBefore) <= slack,
      `${what}: what was lost before the unit`,
    );
    t.ok(
      since(wire, 'lostBeyond') >= lost - lostBefore - slack,
      `${what}: what was lost beyond it`,
    );
  }
  t.equal((await unit.snapshot()).wires[0]?.coverage, 1, 'nothing was left out');
}

const lacking =
  unfit ||
  (() => {
    try {
      execFileSync('nft', ['--version'], { stdio: 'ignore' });
      return false as const;
    } catch {
      return 'nft is not installed';
    }
  })();
for (const driver of isLong ? (['af_packet', 'tc', 'xdp'] as const) : (['tc'] as const))
  t.test(`${driver}: retransmissions as the sender's kernel counts them`, { skip: lacking }, (t) =>
    compare(t, driver),
  );
