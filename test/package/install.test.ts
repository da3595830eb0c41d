import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { capturesFolder } from '../support/captures.ts';

const run = promisify(execFile);
const capture = join(capturesFolder, 'gen-loss1-v4.pre.pcap');
const skip =
  process.env.HEADGATE_LONG !== '1'
    ? 'minutes: a clean root is made and the package built; with --long'
    : process.getuid?.() !== 0
      ? 'needs root'
      : !existsSync('/usr/sbin/debootstrap')
        ? 'debootstrap is not installed'
        : !existsSync(capture)
          ? 'the captures are absent'
          : false;
const timeout = 1_500_000;
t.setTimeout(timeout);

t.test(
  'the package installs in a clean root, works there as its own user, and purges whole',
  { skip, timeout },
  async (t) => {
    const root = mkdtempSync(join(tmpdir(), 'hg-package-'));
    // The script unmounts what it mounted; should it not have, nothing below may be deleted through a mount.
    t.teardown(() => run('rm', ['-rf', '--one-file-system', root]));
    const built = await run('scripts/package', { maxBuffer: 2 ** 26 });
    const path = built.stdout.trim().split('\n').at(-1) ?? '';
    if (existsSync('/usr/bin/lintian')) {
      const { stdout } = await run('lintian', ['--allow-root', '--fail-on', 'none', path]);
      const errors = stdout.split('\n').filter((line) => line.startsWith('E:'));
      t.same(errors, [], 'lintian has no error');
    } else t.pass('lintian', { skip: 'lintian is not installed' });
    const { stdout } = await run('test/package/install.sh', [path, capture, root], {
      maxBuffer: 2 ** 26,
    });
    const held = stdout.split('\n').filter((line) => line.startsWith('holds: '));
    for (const line of held) t.pass(line.slice(7));
    t.equal(held.length, 15);
  },
);
