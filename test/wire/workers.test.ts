/**
 * Several workers share a wire by session: both directions and all fragments of a session are one worker's, whatever
 * stands before its IP header, so that it keeps its order and is followed as one worker would follow it.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { linkId, prefixText } from '../../src/core/base/units.ts';
import type { EngineSnapshot } from '../../src/engine/index.ts';
import { randomOf } from '../support/random.ts';
import { Border, type Side, unfit, until } from './border.ts';
import { Scene, staleMs } from './scene.ts';
import { type Conversation, conversations, interleaved, numberOf } from './sessions.ts';
import { workerOf } from './spread.ts';
import { through } from './through.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-workers-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
t.setTimeout(240_000);

const isLong = process.env.HEADGATE_LONG === '1';
const seed = Number(process.env.HEADGATE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const sides = ['inside', 'outside'] as const;
const directionFrom = { inside: 'outbound', outside: 'inbound' } as const;

/** Sends conversations through a wire of so many workers; what it counted. */
async function carried(
  t: Test,
  all: readonly Conversation[],
  workers: number,
): Promise<EngineSnapshot> {
  const own = join(folder, String(workers));
  mkdirSync(own);
  const border = new Border(`hgww${workers}`, { hasAddresses: false });
  t.teardown(() => border.close());
  const unit = await border.openUnit({
    wires: [
      { name: 'core', place: 'link', inside: 'in0', outside: 'out0', driver: 'af_packet', workers },
    ],
    tables: {
      blocks: [prefixText('198.18.0.0/16'), prefixText('2001:db8:1::/48')],
      links: [{ link: linkId('north'), attribute: { wire: 'core' } }],
    },
  });
  for (const side of sides) {
    const seen = await through(border, own, side, interleaved(all, side), 4000);
    for (const [number, { frames }] of all.entries()) {
      const arrived = seen.filter((frame) => numberOf(frame) === number);
      const isWhole =
        arrived.length === frames[side].length &&
        frames[side].every((frame, place) => arrived[place]?.equals(frame));
      if (!isWhole) t.fail(`session ${number} from ${side} arrives whole and in its order`);
    }
  }
  const counted = await unit.snapshot();
  t.equal(await unit.terminate(), 0);
  border.close();
  return counted;
}

/** What does not depend on who counted it, and when. */
const countsOf = ({ blocks, links, unparsed, unmeasured, sessions }: EngineSnapshot) => ({
  blocks: blocks.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
  tcp: links.map(({ tcp }) => tcp),
  unparsed,
  unmeasured,
  begun: sessions.begun,
});

t.comment(`HEADGATE_SEED=${seed}`);
t.test(
  "each session is one worker's, and counted as one worker counts it",
  { skip: unfit },
  async (t) => {
    // All frames of what runs at once fit the kernel's queue of a processor (net.core.netdev_max_backlog, 1000).
    const all = conversations(isLong ? 190 : 90, randomOf(seed));
    const run = async (workers: number) => ({ workers, counted: await carried(t, all, workers) });
    const runs = isLong
      ? [await run(1), await run(2), await run(3), await run(8)]
      : await Promise.all([run(1), run(2)]);
    const [alone, ...others] = runs;
    t.equal(alone?.counted.sessions.begun, all.filter(({ isTcp }) => isTcp).length);
    for (const { workers, counted } of others) {
      t.strictSame(
        countsOf(counted),
        alone && countsOf(alone.counted),
        `counts of ${workers} workers are those of one`,
      );
      const told = counted.wires[0]?.workers ?? [];
      const expected = (worker: number, from: Side) =>
        all
          .filter(({ inside, outside }) => workerOf(inside, outside, workers) === worker)
          .reduce((sum, { frames }) => sum + frames[from].length, 0);
      t.equal(told.length, workers);
      for (const [worker, counts] of told.entries()) {
        for (const from of sides) {
          const frames = counts[directionFrom[from]].frames;
          t.equal(frames, expected(worker, from), `worker ${worker} of ${workers}, from ${from}`);
          t.ok(frames > 0, 'each has work');
        }
      }
    }
  },
);

t.test(
  'a worker that hangs is stood in for alone',
  {
    skip:
      unfit || (isLong ? false : 'only with HEADGATE_LONG=1: test/wire/fail-open.test.ts draws it'),
  },
  async (t) => {
    const scene = new Scene({ driver: 'af_packet', workers: 2, tag: 'hgww', folder });
    t.teardown(() => scene.close());
    t.equal(scene.command.run(scene.border, 'install').code, 0);
    await scene.streams.open();
    await scene.start();
    const wire = async () => {
      const [counts] = (await scene.unit.snapshot()).wires;
      if (!counts) throw new Error('the unit has a wire');
      const [hung, alive] = counts.workers;
      return { ...counts, hung: hung?.inbound.frames ?? 0, alive: alive?.inbound.frames ?? 0 };
    };
    const fates = await scene.streams.during(10_000, 3, () =>
      scene.hang(async () => {
        const bypassed = await until('it is bypassed', wire, ({ state }) => state === 'bypass');
        const later = await until(
          'the other goes on',
          wire,
          ({ alive }) => alive > bypassed.alive + 100,
        );
        t.equal(later.state, 'bypass', 'while the kernel stands in for it');
        t.equal(later.hung, bypassed.hung);
        t.ok(later.bypass.inbound.frames > bypassed.bypass.inbound.frames);
      }),
    );
    for (const { duplicated, late, lost, dropped } of Object.values(fates)) {
      t.equal(duplicated, 0);
      t.equal(late, 0);
      t.ok(lost <= 10_000 * (staleMs / 1000) + 4096 + dropped, `${lost} lost`);
    }
    await until('all is as before', wire, ({ state }) => state === 'forwarding');
  },
);
