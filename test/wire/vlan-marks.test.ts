/**
 * Sessions marked by VLAN through a Linux router that has what `headgate router-config --kind linux` prints:
 *
 *   host [ i0 ]──[ in0  unit  out0 ]──[ o0  router  north ]──[ customer ] north   both answer for the whole Internet;
 *                                     [             south ]──[ customer ] south   unmarked sessions go by north
 *
 * Full-size packets too: a tag makes their frames longer than the ports' MTU and header, by the 4 bytes that Ethernet
 * has for one tag.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { prefixText } from '../../src/core/base/units.ts';
import { Border, insideAddress, unfit, until } from './border.ts';
import { hosts, Providers, providers } from './providers.ts';
import { WireCommand } from './wire-command.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-vlan-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
t.setTimeout(240_000);

const isLong = process.env.HEADGATE_LONG === '1';
const ways = ['north', 'south', 'unmarked'] as const;
const echoes = isLong ? 400 : 40;
/** Bytes of an echo that fill a packet of 1500. */
const full = { 4: 1472, 6: 1452 } as const;

for (const driver of ['af_packet', 'tc', 'xdp'] as const) {
  t.test(
    `${driver}: sessions arrive by the provider of their VLAN, full-size packets and super-packets too`,
    { skip: unfit || (driver !== 'af_packet' && !isLong && 'seconds more: HEADGATE_LONG=1') },
    async (t) => {
      const border = new Border(`hgvm${driver[0]}`);
      const net = new Providers(border);
      const command = new WireCommand(folder, driver);
      t.teardown(() => {
        if (driver !== 'af_packet') command.run(border, 'release');
        net.close();
        border.close();
      });
      net.open();
      if (driver === 'xdp') border.fitPeers();
      if (driver !== 'af_packet') {
        const done = command.run(border, 'install');
        t.equal(done.code, 0, done.err);
      }
      const unit = await border.openUnit(
        {
          wires: [{ name: 'core', place: 'inside', inside: 'in0', outside: 'out0', driver }],
          tables: {
            blocks: [prefixText(`${insideAddress}/32`)],
            links: providers.map(({ link, vlan }, i) => ({
              link,
              attribute: { wire: 'core', mac: `02:00:00:00:00:0${i}` },
              mark: { vlan },
            })),
            destinations: providers.flatMap(({ name, link }) => [
              { prefix: prefixText(`${hosts[name][0]}/32`), link },
              { prefix: prefixText(`${hosts[name][1]}/128`), link },
            ]),
          },
        },
        { inMountNamespace: true },
      );

      const reach = async (host: string) => {
        const text = await border.runAside('inside', 'ping', '-c', '1', '-W', '0.3', host);
        return text.includes(' 0% packet loss');
      };
      const answers = (host: string) =>
        until(
          `${host} answers`,
          () => reach(host),
          (does) => does,
        );
      await answers(hosts.unmarked[0]);
      t.notOk(await reach(hosts.south[0]), 'without its policy the router knows no such VLAN');

      net.configure();
      net.configure();
      // Neighbours are found before packets are counted, of both families.
      for (const host of ways.flatMap((way) => hosts[way])) await answers(host);
      const provider = { north: 'north', south: 'south', unmarked: 'north' } as const;
      for (const way of ways)
        for (const family of [4, 6] as const) {
          const before = net.echoes(family);
          const host = hosts[way][family === 4 ? 0 : 1];
          const pace = ['-c', String(echoes), '-i', '0.002', '-W', '2'];
          const size = ['-s', String(full[family]), '-M', 'do'];
          const text = await border.runAside('inside', 'ping', '-q', ...pace, ...size, host);
          const after = net.echoes(family);
          t.match(text, `${echoes} received`, `${way}, IPv${family}: no full-size packet is lost`);
          t.same(
            { north: after.north - before.north, south: after.south - before.south },
            { north: 0, south: 0, [provider[way]]: echoes },
            'all by its provider',
          );
        }

      const all = [4, 6].flatMap((family) => ['on', 'off'].map((state) => ({ family, state })));
      const some = all.filter(({ family, state }) => family === 4 && state === 'on');
      // XDP has finished checksums only.
      for (const { family, state } of driver === 'xdp' ? [] : isLong ? all : some) {
        border.setOffloads(state === 'on' ? 'on' : 'off');
        const before = net.segments();
        const host = hosts.south[family === 4 ? 0 : 1];
        for (const way of isLong ? (['up', 'down'] as const) : (['up'] as const))
          t.ok(
            // iperf3 ends when all is sent: what is under way then does not count.
            (await net.transfer(host, 16, way === 'up' ? [] : ['-R'])) >= 4e6,
            `TCP ${way} over IPv${family}, offloads ${state}`,
          );
        const after = net.segments();
        t.equal(after.north, before.north, 'nothing by the other provider');
        t.ok(after.south > before.south);
      }
      t.equal(net.badChecksums(), 0, 'every checksum is right');

      const { marks, wires } = await until(
        'the counts of the marks',
        () => unit.snapshot(),
        ({ marks }) => marks.set >= 4 * echoes,
      );
      t.ok(marks.set >= 4 * echoes);
      t.equal(wires[0]?.unmarked, 0);
      t.same(
        Object.entries(wires[0]?.lost ?? {}).filter(([, frames]) => frames > 0),
        [],
        'the unit lost none',
      );
    },
  );
}
