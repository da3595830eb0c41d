/** What becomes of a wire when its ports change, and who is told. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Border, outsideAddress, unfit, until } from './border.ts';
import { WireCommand } from './wire-command.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-ports-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
t.setTimeout(300_000);

const carrier = (border: Border, side: 'inside' | 'outside', port: string): boolean => {
  const [link] = JSON.parse(border.run(side, 'ip', '-j', 'link', 'show', 'dev', port));
  return link.flags.includes('LOWER_UP');
};

// The passing is one code; releasing and taking over differ.
const drivers =
  process.env.HEADGATE_LONG === '1' ? (['af_packet', 'tc'] as const) : (['tc'] as const);
for (const driver of drivers) {
  t.test(`${driver}: a lost link is passed on when that is set`, { skip: unfit }, async (t) => {
    const border = new Border('hgwp');
    const command = new WireCommand(folder, driver);
    t.teardown(() => {
      command.run(border, 'release');
      border.close();
    });
    t.equal(command.run(border, 'install').code, 0);
    const open = () =>
      border.openUnit(
        {
          wires: [
            {
              name: 'core',
              place: 'link',
              inside: 'in0',
              outside: 'out0',
              driver,
              passesLinkState: true,
            },
          ],
        },
        { inMountNamespace: true },
      );
    const unit = await open();
    const reaches = () => border.runAside('inside', 'ping', '-c', '1', '-W', '1', outsideAddress);
    const passes = (text: string) => text.includes(' 0% packet loss');
    await until('packets pass', reaches, passes);
    border.run('inside', 'ip', 'link', 'set', 'i0', 'down');
    await until(
      'the other end sees it',
      () => carrier(border, 'outside', 'o0'),
      (is) => !is,
    );
    t.equal((await unit.snapshot()).wires[0]?.state, 'down');
    border.run('inside', 'ip', 'link', 'set', 'i0', 'up');
    await until('the other end sees it back', () => carrier(border, 'outside', 'o0'), Boolean);
    await until('packets pass again', reaches, passes);

    // A unit that dies meanwhile leaves the port down; the next one, or releasing, takes it up.
    border.run('inside', 'ip', 'link', 'set', 'i0', 'down');
    await until(
      'the other end sees it',
      () => carrier(border, 'outside', 'o0'),
      (is) => !is,
    );
    unit.process.kill('SIGKILL');
    border.run('inside', 'ip', 'link', 'set', 'i0', 'up');
    if (driver === 'tc') {
      t.equal(command.run(border, 'release').code, 0);
      await until('releasing takes it up', () => carrier(border, 'outside', 'o0'), Boolean);
      return;
    }
    const next = await until(
      'the next unit starts',
      () => open().catch(() => undefined),
      (opened) => opened !== undefined,
    );
    await until('packets pass again', reaches, passes);
    t.equal(await next?.terminate(), 0);
  });
}

t.test('releasing tells the hook', { skip: unfit }, async (t) => {
  const border = new Border('hgwp');
  const said = join(folder, 'said');
  const program = join(folder, 'relay');
  writeFileSync(program, `#!/bin/sh\necho "$@" >>${said}\n`);
  chmodSync(program, 0o755);
  const command = new WireCommand(folder, 'tc', `hook: ['${program}', '--relay', '3']`);
  t.teardown(() => {
    command.run(border, 'release');
    border.close();
  });
  t.equal(command.run(border, 'install').code, 0);
  t.equal(command.run(border, 'release').code, 0);
  t.equal(readFileSync(said, 'utf8'), '--relay 3 core bypass\n--relay 3 core released\n');
});
