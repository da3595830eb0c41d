/** The native fuzzers: the whole seed corpus, then a few seconds each (minutes with HEADGATE_LONG=1). */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const seconds = process.env.HEADGATE_LONG === '1' ? 60 : 3;
const skip = existsSync('/usr/bin/clang++') ? false : 'clang is not installed';

t.setTimeout(600_000);

for (const name of ['pipeline', 'tracker', 'rewriter', 'pcap_file']) {
  t.test(`${name}: no finding`, { skip, timeout: 300_000 }, async (t) => {
    const { stdout } = await promisify(execFile)(
      'scripts/fuzz',
      ['--seconds', String(seconds), name],
      { cwd: root },
    );
    const executed = /number_of_executed_units: (\d+)/.exec(stdout)?.[1];
    t.ok(Number(executed) > 20, `${executed} inputs`);
  });
}
