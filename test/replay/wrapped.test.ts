/**
 * Sessions inside other protocols: what is known of a capture, frame by frame, holds for the same frames behind tags,
 * PPPoE and MPLS. Of a tunnel only its own addresses count. The default run takes three captures through every shape;
 * HEADGATE_LONG=1 takes all that have a truth, and `generated.test.ts` those that it makes.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { capturesFolder, namesWithTruth, noCaptures } from './captures.ts';
import { checkLinkLayers, checkTruth, checkTunnels } from './wrapped-checks.ts';

const isWhole = process.env.HEADGATE_LONG === '1';
// Of both families, with losses on both sides of the tap, reordering and duplicates.
const brief = { pre: ['gen-upload-dup-vlan'], post: ['gen-loss3-reorder-v6-ns'] };

for (const side of ['pre', 'post'] as const) {
  t.test(`wrapped captures, ${side} the loss`, { skip: noCaptures }, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'headgate-wrapped-'));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    for (const name of isWhole ? namesWithTruth() : brief[side]) {
      const path = `${capturesFolder}/${name}.${side}.pcap`;
      t.comment(name);
      await checkLinkLayers(t, path, folder);
      await checkTunnels(t, path, folder);
      if (side === 'pre')
        await checkTruth(t, path, `${capturesFolder}/refs/${name}.truth.json`, folder);
    }
  });
}
