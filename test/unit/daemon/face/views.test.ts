import t from 'tap';
import { prefixText, type RouterId, routerId } from '../../../../src/core/base/units.ts';
import { initialState } from '../../../../src/core/decide/index.ts';
import { policyOf } from '../../../../src/daemon/configure.ts';
import { Conditions } from '../../../../src/daemon/face/conditions.ts';
import { complaints, type Picture } from '../../../../src/daemon/face/views.ts';
import { Loop } from '../../../../src/daemon/loop.ts';
import type { AnnouncedRoute } from '../../../../src/speaker/index.ts';
import { settingsOf, twoLinks } from '../../../support/settings.ts';

const settings = settingsOf(twoLinks);

function pictureOf(announced: ReadonlyMap<RouterId, readonly AnnouncedRoute[]>): Picture {
  const loop = new Loop({
    mode: 'control',
    policy: policyOf(settings),
    initial: { state: initialState(), isWithdrawn: false },
    act: () => undefined,
    onCycle: () => undefined,
    onMoves: () => undefined,
  });
  const conditions = new Conditions();
  const empty = { snapshot: undefined, seen: undefined, sessions: [], at: 0, started: 0 };
  return { settings, loop, conditions, announced, ...empty };
}

const route = (
  text: string,
  state: AnnouncedRoute['state'],
  waitsFor?: string,
): AnnouncedRoute => ({
  announcement: {
    prefix: prefixText(text),
    communities: [],
    largeCommunities: [],
    prepend: 0,
    requires: [routerId('br1'), routerId('br2')],
  },
  nextHop: '10.0.0.10',
  state,
  reason: waitsFor === undefined ? '' : `router ${waitsFor} does not carry it`,
  ...(waitsFor === undefined ? {} : { waitsFor: routerId(waitsFor) }),
});

t.test(
  'blocks that are held back are counted once, by the router that they wait for',
  async (t) => {
    const told = [
      route('198.51.100.0/24', 'waiting', 'br2'),
      route('198.51.101.0/24', 'waiting', 'br2'),
    ];
    const found = complaints(
      pictureOf(
        new Map([
          [routerId('br1'), told],
          [routerId('br2'), told],
        ]),
      ),
    );
    t.same([...found.keys()], ['held br2']);
    t.match(
      found.get('held br2'),
      /^2 blocks are announced by no router while br2 does not carry them, .* bgp\.required: false/,
    );
  },
);

t.test('what is sent, or waits for something else, is held back by nobody', async (t) => {
  const told = [route('198.51.100.0/24', 'sent'), route('198.51.101.0/24', 'waiting')];
  t.same([...complaints(pictureOf(new Map([[routerId('br1'), told]]))).keys()], []);
});
