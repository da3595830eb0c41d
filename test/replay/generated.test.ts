/**
 * More captures with known truth, made on the spot: other losses, delays, jitter, duplicates, both families.
 * Each takes up to a minute of real TCP, so they run with HEADGATE_LONG=1 only.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { capturesFolder, noCaptures } from './captures.ts';
import { scoreCapture, scoreNeedless } from './score.ts';
import { checkLinkLayers, checkTunnels } from './wrapped-checks.ts';

const skip =
  noCaptures || (process.env.HEADGATE_LONG === '1' ? false : 'long: HEADGATE_LONG=1 runs it');
const wanted = 0.99;

t.setTimeout(900_000);

const shapes = [
  { loss: 0.02, delay: 0.1, jitter: 0.004, reorder: 0.02, dup: 0.01, conns: 8 },
  { v6: true, loss: 0.05, delay: 0.03, dup: 0.02, conns: 8 },
  { loss: 0.005, delay: 0.004, vlan: 7, up: true, conns: 10, reorder: 0.01 },
  { loss: 0.01, delay: 0.2, size: 200_000, conns: 8, dup: 0.01 },
  { v6: true, loss: 0.02, delay: 0.02, jitter: 0.01, conns: 10 },
  { loss: 0.001, delay: 0.002, conns: 12, size: 3_000_000, reorder: 0.002 },
  // Short connections: a handshake and a handful of segments each.
  { loss: 0.03, delay: 0.002, conns: 250, par: 25, size: 15_000 },
  { v6: true, loss: 0.03, delay: 0.04, conns: 150, par: 25, size: 9_000, dup: 0.01 },
  // Readers that stop: closed windows, their probes, and what is lost beside them.
  { loss: 0.02, delay: 0.02, conns: 8, par: 8, size: 300_000, slow_reader: true, reorder: 0.01 },
  { v6: true, vlan: 9, loss: 0.002, delay: 0.06, conns: 10, size: 1_200_000, up: true, dup: 0.005 },
] as const;

t.test(
  'generated captures: recall, precision and which side of us, wrapped in other protocols too',
  { skip, timeout: 900_000 },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'headgate-generated-'));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    const firstSeed = Math.floor(Math.random() * 1e6);
    t.comment(`seeds from ${firstSeed}`);
    for (const [i, shape] of shapes.entries()) {
      const options = JSON.stringify({ ...shape, snap: 128, seed: firstSeed + i });
      const generator = `${capturesFolder}/tools/lossy_gen.py`;
      execFileSync('python3', [generator, `shape-${i}`, options], { cwd: folder });
    }
    let spurious = 0;
    let needless = 0;
    for (const [i, shape] of shapes.entries()) {
      const score = await scoreNeedless(folder, `shape-${i}`, folder);
      const { said, truth } = score.lost;
      t.comment(
        `${JSON.stringify(shape)} pre: ${said.length} said lost beyond, ${truth.length} sent for a loss; spurious ${JSON.stringify(score.spurious)}`,
      );
      spurious += score.spurious.said;
      needless += score.spurious.right;
    }
    // A network that doubles a retransmission makes its receiver report one: then it was no needless one.
    t.ok(needless >= 0.9 * spurious, `${needless} of ${spurious} were needless`);
    for (const side of ['pre', 'post'] as const) {
      let visible = 0;
      let found = 0;
      let right = 0;
      let before = 0;
      let said = 0;
      for (const [i, shape] of shapes.entries()) {
        const score = await scoreCapture(folder, `shape-${i}`, side, folder);
        t.comment(`${JSON.stringify(shape)} ${side}: ${JSON.stringify(score)}`);
        visible += score.truth - score.unseen;
        found += score.found;
        right += score.right;
        before += score.before.truth;
        said += score.before.said;
        const path = join(folder, `shape-${i}.${side}.pcap`);
        await checkLinkLayers(t, path, folder);
        await checkTunnels(t, path, folder);
      }
      t.ok(visible > 100, `${side}: ${visible} to find`);
      t.ok(right >= wanted * visible, `${side}: recall ${right / visible}`);
      t.ok(right >= wanted * found, `${side}: precision ${right / found}`);
      t.ok(Math.abs(said - before) <= 0.05 * before, `${side}: lost before ${said} of ${before}`);
    }
  },
);
