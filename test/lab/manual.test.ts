/**
 * The manual's first ten minutes, word for word, with the ports and the router that its commands name:
 *
 *     host eth0 ── eth1 [ unit ] eth2 ── lan border          198.51.100.0/24 on both sides of the wire
 *                       eth0 ───────── mgmt border: BIRD     10.0.0.0/24, with what `router-config` printed
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { labTestSkip, waitFor } from '../support/lab.ts';

const timeout = 240_000;
t.setTimeout(timeout);
const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const nodes = ['unit', 'host', 'border'] as const;
const name = (node: string) => `hgmanual-${node}`;

const ip = (...args: readonly string[]) => {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
};
const clear = () => {
  for (const node of nodes) spawnSync('ip', ['netns', 'del', name(node)]);
};

function raise(): void {
  clear();
  for (const node of nodes) ip('netns', 'add', name(node));
  for (const [port, node, peer, address, mac] of [
    ['eth0', 'border', 'mgmt', '10.0.0.1/24', '02:00:00:00:00:11'],
    ['eth1', 'host', 'eth0', '198.51.100.10/24', '02:00:00:00:00:12'],
    ['eth2', 'border', 'lan', '198.51.100.1/24', '02:00:00:00:00:01'],
  ] as const) {
    const far = ['peer', 'name', peer, 'netns', name(node), 'address', mac];
    ip('-n', name('unit'), 'link', 'add', port, 'type', 'veth', ...far);
    ip('-n', name(node), 'addr', 'add', address, 'dev', peer);
    ip('-n', name(node), 'link', 'set', peer, 'up');
    ip('-n', name('unit'), 'link', 'set', port, 'up');
  }
  ip('-n', name('unit'), 'link', 'set', 'lo', 'up');
  ip('-n', name('unit'), 'addr', 'add', '10.0.0.9/24', 'dev', 'eth0');
}

/** A person's shell on the unit: folders of this machine are not touched, what is mounted lasts for the session. */
class Shell {
  readonly #child: ChildProcess;
  #output = '';

  constructor(folder: string) {
    const mounts =
      'for place in /run /var/lib; do mount -t tmpfs hgmanual $place; done; mount -t sysfs hgmanual /sys; exec bash';
    const argv = ['unshare', '--mount', '--propagation', 'private', 'bash', '-c', mounts];
    this.#child = spawn('nsenter', [`--net=/run/netns/${name('unit')}`, ...argv], {
      cwd: folder,
      env: { ...process.env, PATH: `${folder}:${process.env.PATH}` },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk) => {
        this.#output += String(chunk);
      });
    }
  }

  /** What a line wrote, and its exit code. */
  async run(line: string): Promise<{ readonly code: number; readonly output: string }> {
    const from = this.#output.length;
    this.#child.stdin?.write(`${line}\necho "=code=$?="\n`);
    const end = /=code=(\d+)=\n/;
    await waitFor(line, 90_000, () => end.test(this.#output.slice(from)));
    const output = this.#output.slice(from);
    return { code: Number(end.exec(output)?.[1]), output };
  }

  async close(): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }
}

const skip = labTestSkip();
t.test(
  'from nothing to a wire: every command of the manual, in its order',
  { skip, timeout },
  async (t) => {
    raise();
    const folder = mkdtempSync(join(tmpdir(), 'hg-manual-lab-'));
    writeFileSync(join(folder, 'headgate'), `#!/bin/sh\nexec node ${main} "$@"\n`);
    chmodSync(join(folder, 'headgate'), 0o755);
    const shell = new Shell(folder);
    let router: ChildProcess | undefined;
    t.teardown(async () => {
      await shell
        .run('kill -KILL %1; headgate wire release --config headgate.yaml')
        .catch(() => undefined);
      await shell.close();
      router?.kill('SIGKILL');
      clear();
      rmSync(folder, { recursive: true, force: true });
    });
    const block = /```sh\n(.*?)```/s.exec(readFileSync('README.md', 'utf8'))?.[1] ?? '';
    const lines = block
      .split('\n')
      .map((line) => line.replace(/\s+# hardware$/, ''))
      .filter((line) => line !== '');
    const [setup, doctor, check, config, install, run, status] = lines;
    if (!setup || !doctor || !check || !config || !install || !run || !status) {
      throw new Error(`the manual has other commands: ${lines.join('\n')}`);
    }
    t.match(setup, /^headgate setup /);
    t.match(await shell.run(setup), {
      code: 0,
      output: /is written; the unit starts in mode observe/,
    });
    const early = await shell.run(doctor);
    t.match(early, {
      code: 1,
      output: /FAIL router br1: .*\n +-> headgate router-config br1 prints/,
    });
    t.match(await shell.run(check), { code: 0, output: /^mode observe: .*announces nothing/m });
    const policy = await shell.run(config);
    t.match(policy, { code: 0, output: /^protocol bgp headgate$/m });

    // What a router has beside: it knows the way to our networks, and it is up.
    const files = { conf: join(folder, 'bird.conf'), ctl: join(folder, 'bird.ctl') };
    const text = policy.output.replace(/=code=.*/s, '');
    writeFileSync(
      files.conf,
      `router id 10.0.0.1;\nprotocol device {}\nprotocol direct { ipv4; interface "lan"; }\n${text}`,
    );
    const bird = ['/usr/sbin/bird', '-f', '-c', files.conf, '-s', files.ctl];
    router = spawn('ip', [
      'netns',
      'exec',
      name('border'),
      ...bird,
      '-P',
      join(folder, 'bird.pid'),
    ]);

    t.match(await shell.run(install), { code: 0 });
    const ping = () =>
      spawnSync('ip', [
        'netns',
        'exec',
        name('host'),
        ...'ping -q -c 3 -i 0.2 -w 20 198.51.100.1'.split(' '),
      ]);
    t.equal(ping().status, 0, 'the kernel forwards before anything runs');
    await shell.run(`${run} 2>run.log &`);
    await waitFor('the wire and the session are up', 90_000, async () => {
      const { output } = await shell.run(status);
      return output.includes('wires 1 of 1 forwarding, routers 1 of 1 with a session');
    });
    t.match(await shell.run(status), { code: 0, output: /mode observe, running for/ });
    t.equal(ping().status, 0, 'and so does the unit');
    const later = await shell.run(doctor);
    t.match(later.output, /^ok {3}router br1: 10\.0\.0\.1 takes BGP connections$/m);
    t.equal(later.code, 0, later.output);
    await shell.run('kill -KILL %1');
    t.equal(ping().status, 0, 'the death of the process cuts no wire');
  },
);
