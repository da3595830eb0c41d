/**
 * The tracker against truth: captures of real TCP through a relay that recorded which frames were
 * retransmissions. Frame by frame, before and after the relay dropped, delayed, duplicated and reordered.
 */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { prefixText } from '../../src/core/base/units.ts';
import { startReplay } from '../../src/engine/replay.ts';
import { capturesFolder, listCaptures, namesWithTruth, noCaptures, readTruth } from './captures.ts';
import { scoreCapture, scoreNeedless } from './score.ts';

/** Issue 2 asks for 0.95; the packet-path issue for 0.99. */
const wanted = 0.99;

const names = noCaptures ? [] : namesWithTruth();

t.test(
  'retransmissions are found, and only they, before and after the loss',
  { skip: noCaptures },
  async (t) => {
    const total = {
      pre: { visible: 0, found: 0, right: 0, before: 0, said: 0 },
      post: { visible: 0, found: 0, right: 0, before: 0, said: 0 },
    };
    for (const name of names) {
      for (const side of ['pre', 'post'] as const) {
        const { truth, unseen, found, right, before } = await scoreCapture(
          capturesFolder,
          name,
          side,
          `${capturesFolder}/refs`,
        );
        t.comment(
          `${name}.${side}: ${truth} true (${unseen} unseen before), ${found} found, ${right} right`,
        );
        total[side].visible += truth - unseen;
        total[side].found += found;
        total[side].right += right;
        total[side].before += before.truth;
        total[side].said += before.said;
        if (side === 'pre') t.equal(unseen, 0, `${name}: before the loss nothing is unseen`);
        t.ok(right >= wanted * (truth - unseen), `${name}.${side}: recall`);
        t.ok(right >= wanted * found, `${name}.${side}: precision`);
      }
    }
    t.equal(total.pre.before, 0, 'before the loss every retransmission repeats what had passed');
    t.equal(total.pre.said, 0, 'and is taken for no other');
    const { before, said } = total.post;
    t.ok(before > 30, `${before} were lost before the second tap`);
    t.ok(Math.abs(said - before) <= 0.05 * before, `${said} were said to be`);
    t.ok(total.pre.visible > 50 && total.post.visible > 50, 'there was something to find');
  },
);

t.test("before the loss, the count equals the kernel's own", { skip: noCaptures }, async (t) => {
  for (const name of names) {
    const { kernel_retrans_segs: kernel, pre_retrans_frames: frames } = readTruth(
      `${capturesFolder}/refs/${name}.truth.json`,
    );
    const { counts } = await startReplay({ path: `${capturesFolder}/${name}.pre.pcap` }).result;
    const tcp = counts?.tcp;
    t.equal(
      (tcp?.lostBeyond ?? 0) + (tcp?.lostBefore ?? 0) + (tcp?.spurious ?? 0),
      kernel.client + kernel.server,
      `${name}: ${frames.length} frames`,
    );
    t.equal(tcp?.lostBefore, 0, `${name}: nothing was lost before the first tap`);
  }
});

t.test('what the receiver had already is told from loss', { skip: noCaptures }, async (t) => {
  let needless = 0;
  for (const name of names) {
    const { lost, spurious } = await scoreNeedless(capturesFolder, name, `${capturesFolder}/refs`);
    t.same(lost.said, lost.truth, `${name}: lost beyond, frame by frame`);
    t.equal(spurious.right, spurious.said, `${name}: spurious`);
    needless += spurious.said;
  }
  t.ok(needless > 10, `${needless} were needless`);
});

t.test('keep-alives and duplicates are no retransmissions', { skip: noCaptures }, async (t) => {
  const idle = await startReplay({ path: `${capturesFolder}/gen-slowreader-ka-v4.pre.pcap` })
    .result;
  t.match(idle.counts?.tcp, { keepAlives: 41, lostBeyond: 0, lostBefore: 0, spurious: 0 });
  const copies = await startReplay({ path: `${capturesFolder}/gen-upload-dup-vlan.post.pcap` })
    .result;
  t.match(copies.counts?.tcp, { duplicates: 2, lostBefore: 2, lostBeyond: 0 });
});

t.test(
  'round-trip medians are within 1 ms or 2 % of pping, where there are enough',
  { skip: noCaptures },
  async (t) => {
    for (const name of names) {
      if (name.includes('upload-dup-vlan')) continue; // pping sees nothing behind VLAN tags
      const reference = JSON.parse(
        readFileSync(`${capturesFolder}/refs/${name}.post.pcap.ref.json`, 'utf8'),
      ) as { readonly pping: { readonly samples: number; readonly median_s: number } };
      const { counts } = await startReplay({ path: `${capturesFolder}/${name}.post.pcap` }).result;
      const medianUs = reference.pping.median_s * 1e6;
      const difference = Math.abs((counts?.rttUs.p50 ?? 0) - medianUs);
      t.ok(
        difference <= Math.max(1000, medianUs * 0.02),
        `${name}: ${Math.round(counts?.rttUs.p50 ?? 0)} us, pping ${Math.round(medianUs)} us`,
      );
    }
  },
);

t.test(
  "the least round trips of both sides add up to the kernel's",
  { skip: noCaptures },
  async (t) => {
    for (const name of names) {
      const { client, server } = readTruth(`${capturesFolder}/refs/${name}.truth.json`);
      const kernelUs = Math.min(
        ...client.conns.concat(server.conns).map((each) => each.min_rtt_us),
      );
      const path = `${capturesFolder}/${name}.post.pcap`;
      const reference = listCaptures().find((each) => each.path === path)?.reference;
      const [block = ''] = Object.keys(reference?.address_blocks?.src ?? {});
      const tables = { blocks: [prefixText(block)], links: [] };
      const { counts } = await startReplay({ path, tables }).result;
      const ours = (counts?.rttInsideUs.min ?? 0) + (counts?.rttOutsideUs.min ?? 0);
      t.ok(
        Math.abs(ours - kernelUs) <= Math.max(1000, kernelUs * 0.02),
        `${name}: ${Math.round(ours)} us, kernel ${kernelUs} us`,
      );
    }
  },
);
