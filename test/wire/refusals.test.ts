/** What a wire cannot be opened on, said in one line; and what it survives once it is open. */
import { chmodSync, chownSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Border, outsideAddress, unfit, until } from './border.ts';
import { WireCommand } from './wire-command.ts';

const wire = {
  name: 'core',
  place: 'link',
  inside: 'in0',
  outside: 'out0',
  driver: 'af_packet',
} as const;

t.setTimeout(240_000);

/** A border, and a unit's settings to install wires by; released and removed with the test. */
function installable(t: Test, driver: 'af_packet' | 'tc') {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-wire-'));
  const border = new Border('hgwe');
  const command = new WireCommand(folder, driver);
  t.teardown(() => {
    command.run(border, 'release');
    border.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { border, command };
}

t.test(
  'a wire that cannot be is refused in one line that says what to do',
  { skip: unfit },
  async (t) => {
    const cases: ReadonlyArray<{
      readonly what: string;
      readonly code: string;
      readonly says: RegExp;
      readonly before?: (border: Border) => void;
      readonly wire?: Partial<typeof wire> | { readonly outside: string };
    }> = [
      {
        what: 'an interface that is not there',
        code: 'interface_missing',
        says: /nosuch0 does not exist.*ip link/,
        wire: { outside: 'nosuch0' },
      },
      {
        what: 'an interface on both sides',
        code: 'interface_in_use',
        says: /in0 on both sides/,
        wire: { outside: 'in0' },
      },
      {
        what: 'an interface that is down',
        code: 'interface_down',
        says: /out0 is down.*ip link set out0 up/,
        before: (b) => void b.run('unit', 'ip', 'link', 'set', 'out0', 'down'),
      },
      {
        what: 'an interface with an address',
        code: 'interface_in_use',
        says: /out0 has the address 192\.0\.2\.1.*ip addr flush dev out0/,
        before: (b) => void b.run('unit', 'ip', 'address', 'add', '192.0.2.1/24', 'dev', 'out0'),
      },
      {
        what: 'an interface of a bridge',
        code: 'interface_in_use',
        says: /out0 belongs to br0.*nomaster/,
        before: (b) => {
          b.run('unit', 'ip', 'link', 'add', 'br0', 'type', 'bridge');
          b.run('unit', 'ip', 'link', 'set', 'out0', 'master', 'br0');
        },
      },
      {
        what: 'ports of different MTU',
        code: 'mtu_differs',
        says: /in0 has MTU 1500 and out0 has 1400/,
        before: (b) => void b.run('unit', 'ip', 'link', 'set', 'out0', 'mtu', '1400'),
      },
      {
        what: 'an interface that is not Ethernet',
        code: 'driver_unfit',
        says: /lo is not Ethernet/,
        before: (b) => void b.run('unit', 'ip', 'link', 'set', 'lo', 'up'),
        wire: { outside: 'lo' },
      },
    ];
    for (const { what, code, says, before, wire: changed } of cases) {
      const border = new Border('hgwe');
      try {
        before?.(border);
        const error = await border.openUnit({ wires: [{ ...wire, ...changed }] }).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        t.match(error, { code, message: says }, what);
        t.notMatch(error, { message: /\n/ }, `${what}: one line`);
      } finally {
        border.close();
      }
    }
  },
);

t.test('without the capability it says which', { skip: unfit }, async (t) => {
  const border = new Border('hgwe');
  t.teardown(() => border.close());
  await t.rejects(
    border.openUnit(
      { wires: [wire] },
      { through: ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'] },
    ),
    {
      code: 'no_capability',
      message: /CAP_NET_RAW/,
    },
  );
});

t.test(
  'it runs as a user of its own with exactly the capabilities of a unit',
  { skip: unfit },
  async (t) => {
    const { border, command } = installable(t, 'af_packet');
    t.equal(command.run(border, 'install').code, 0);
    // What install does for the group headgate, where there is one.
    const maps = `/run/headgate-wire/core@${statSync(`/run/netns/${border.namespace('unit')}`).ino}`;
    for (const map of readdirSync(maps)) {
      chownSync(join(maps, map), 0, 65534);
      chmodSync(join(maps, map), 0o660);
    }
    const rights = '+net_raw,+net_admin,+bpf,+net_bind_service,+ipc_lock';
    const user = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];
    const through = [
      'setpriv',
      ...user,
      `--inh-caps=${rights}`,
      `--ambient-caps=${rights}`,
      `--bounding-set=-all,${rights}`,
    ];
    // Several workers, which need one thing more: a program that the unit loads by itself.
    const wires = [{ ...wire, workers: 2 }];
    const unit = await border.openUnit({ wires }, { inMountNamespace: true, through });
    t.same(unit.findings, [], 'nothing is missing');
    t.match(border.run('inside', 'ping', '-c', '1', outsideAddress), / 0% packet loss/);
    // A loop that was kept from its processor for a moment is stood in for until the next beat.
    const says = () => command.run(border, 'status').out;
    await until('the unit forwards', says, (text) => text.includes('headgate forwards'));
    t.equal(await unit.terminate(), 0);
  },
);

t.test(
  'a port belongs to one unit at a time, and is given back as it was',
  { skip: unfit },
  async (t) => {
    const border = new Border('hgwe');
    t.teardown(() => border.close());
    const setting = () =>
      border.run(
        'unit',
        'sysctl',
        '-n',
        'net.ipv6.conf.in0.disable_ipv6',
        'net.ipv4.conf.in0.arp_ignore',
      );
    const before = setting();
    const first = await border.openUnit({ wires: [wire] });
    t.not(setting(), before, 'our own stack is silent on a port');
    await t.rejects(border.openUnit({ wires: [wire] }), {
      code: 'interface_in_use',
      message: /another running headgate/,
    });
    t.match(
      border.run('inside', 'ping', '-c', '1', outsideAddress),
      / 0% packet loss/,
      'the first goes on',
    );
    t.equal(await first.terminate(), 0, 'SIGTERM ends it');
    t.equal(setting(), before, 'the ports are as they were');
    const second = await border.openUnit({ wires: [wire] });
    t.match(
      border.run('inside', 'ping', '-c', '1', outsideAddress),
      / 0% packet loss/,
      'the next one takes over',
    );
    t.equal(await second.terminate(), 0);
  },
);

t.test(
  'what a unit that died had changed, the next one or releasing puts back',
  { skip: unfit },
  async (t) => {
    const { border, command } = installable(t, 'tc');
    const setting = () =>
      border.run(
        'unit',
        'sysctl',
        '-n',
        'net.ipv6.conf.in0.disable_ipv6',
        'net.ipv4.conf.out0.arp_ignore',
      );
    const before = setting();
    t.equal(command.run(border, 'install').code, 0);
    const open = () =>
      border.openUnit({ wires: [{ ...wire, driver: 'tc' }] }, { inMountNamespace: true });
    const started = async () => {
      const unit = await until(
        'a unit starts',
        () => open().catch(() => undefined),
        (opened) => opened !== undefined,
      );
      t.not(setting(), before);
      return unit;
    };
    (await started())?.process.kill('SIGKILL');
    const next = await started();
    t.equal(await next?.terminate(), 0);
    t.equal(setting(), before, 'the next one, at its end');
    (await started())?.process.kill('SIGKILL');
    t.not(setting(), before);
    t.equal(command.run(border, 'release').code, 0);
    t.equal(setting(), before, 'releasing');
  },
);

t.test('a port may go down, come back, disappear and be made anew', { skip: unfit }, async (t) => {
  const border = new Border('hgwe');
  t.teardown(() => border.close());
  const unit = await border.openUnit({ wires: [wire] });
  const state = async () => (await unit.snapshot()).wires[0]?.state;
  const reaches = async () => {
    const answer = await border.runAside('inside', 'ping', '-c', '1', '-W', '1', outsideAddress);
    return answer.includes(' 0% packet loss');
  };
  t.ok(await reaches());
  border.run('unit', 'ip', 'link', 'set', 'out0', 'down');
  await until('the wire is seen down', state, (now) => now === 'down');
  border.run('unit', 'ip', 'link', 'set', 'out0', 'up');
  await until('the wire is seen up', state, (now) => now === 'forwarding');
  await until('packets pass again', reaches, Boolean);

  border.run('unit', 'ip', 'link', 'delete', 'out0');
  await until('the port is seen gone', state, (now) => now === 'down');
  border.plug('outside');
  // The new port has another MAC address than the one that the host has learnt.
  border.run('inside', 'ip', 'neigh', 'flush', 'all');
  await until('the new port is taken', state, (now) => now === 'forwarding');
  await until('packets pass the new port', reaches, Boolean);
  t.equal(await unit.terminate(), 0);
});
