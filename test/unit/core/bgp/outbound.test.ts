/** What is announced for a plan, and what may never leave. */
import fc from 'fast-check';
import t from 'tap';
import { formatPrefix, type Prefix, parsePrefix } from '../../../../src/core/base/prefix.ts';
import { whole } from '../../../../src/core/base/slices.ts';
import { asn, linkId, prefixText, routerId } from '../../../../src/core/base/units.ts';
import type { Announcement, SteeredLink } from '../../../../src/core/bgp/announcement.ts';
import {
  compareOutbound,
  encodeAnnouncements,
  encodeWithdrawals,
  makeRoute,
  type OutboundRails,
  refuseAnnouncement,
  refusePrefix,
} from '../../../../src/core/bgp/outbound.ts';
import { announcementsFor, type Ladder } from '../../../../src/core/bgp/steering.ts';
import { decodeUpdate } from '../../../../src/core/wire/bgp/update.ts';

const our = asn(64512);
const parsed = (text: string): Prefix => {
  const result = parsePrefix(text);
  if (!result.ok) throw new Error(text);
  return result.value;
};
const rails: OutboundRails = {
  asn: our,
  networks: [parsed('198.51.100.0/22'), parsed('2001:db8::/32')],
  floor: { ipv4: 24, ipv6: 48 },
  maxPrefixes: 100,
};
const marked = (prefix: string): Announcement => ({
  prefix: prefixText(prefix),
  communities: [],
  largeCommunities: [[our, 0, 1]],
  prepend: 0,
});
const agreed = { isInternal: true } as const;
const context = { as4: true, addPathSend: { 4: false, 6: false }, extendedMessages: false };

const link = (id: string, number: number, router: string, isEligible = true): SteeredLink => ({
  id: linkId(id),
  number,
  router: routerId(router),
  neighbor: asn(65000 + number),
  isEligible,
});
const links = [link('north', 1, 'br1'), link('south', 2, 'br1'), link('west', 3, 'br2')];
const world = { asn: our, networks: rails.networks, mayAnnounce: () => true };
const plan = (preferred: string | undefined, rung: number) => ({
  block: prefixText('198.51.100.0/24'),
  link: preferred === undefined ? undefined : linkId(preferred),
  rung,
  reason: '',
});
const communitiesOf = (preferred: string | undefined, rung: number) => {
  const desired = announcementsFor({ ...world, links, blocks: [plan(preferred, rung)] });
  return [...desired.values()].map(([first]) => first?.largeCommunities.map((c) => c.join(':')));
};

t.test(
  'each rung of the ladder biases against the other links, alike on every router',
  async (t) => {
    const both = (...list: string[]) => [list, list];
    t.same(communitiesOf('north', 0), both('64512:0:1'), 'first without bias');
    t.same(communitiesOf('north', 1), both('64512:0:1', '64512:2:1', '64512:3:1'));
    t.same(communitiesOf('west', 3), both('64512:0:1', '64512:1:3', '64512:2:3'));
    t.same(communitiesOf('north', 4), both('64512:0:1', '64512:2:99', '64512:3:99'));
    t.same(communitiesOf('north', 99), communitiesOf('north', 4), 'past the last rung is the last');
    t.same(communitiesOf(undefined, 3), both('64512:0:1'), 'no preference, no bias');
  },
);

t.test(
  'a link that is down is biased against, for when it returns, and not waited for',
  async (t) => {
    const some = (isWestUp: boolean) =>
      announcementsFor({
        ...world,
        links: [link('north', 1, 'br1'), link('south', 2, 'br1'), link('west', 3, 'br2', isWestUp)],
        blocks: [plan('north', 1), { ...plan('west', 1), block: prefixText('198.51.101.0/24') }],
      });
    const [toNorth, toWest] = some(false).get(routerId('br2')) ?? [];
    t.same([...some(false).keys()], ['br1', 'br2']);
    t.same(toNorth, {
      ...some(true).get(routerId('br2'))?.[0],
      requires: ['br1'],
    });
    t.same(
      toNorth?.largeCommunities,
      [
        [our, 0, 1],
        [our, 2, 1],
        [our, 3, 1],
      ],
      'its router exports what it is to from the first moment on',
    );
    t.same(toWest?.largeCommunities, [[our, 0, 1]], 'nothing is steered to it');
  },
);

t.test(
  'a router with one link may hear its prepends in the path; all else stays alike',
  async (t) => {
    const some = links.map((one) => (one.number === 3 ? { ...one, prependsInPath: true } : one));
    const told = (preferred: string, rung: number, router: string) => {
      const desired = announcementsFor({ ...world, links: some, blocks: [plan(preferred, rung)] });
      return desired.get(routerId(router))?.[0];
    };
    t.match(told('north', 2, 'br1'), {
      prepend: 0,
      largeCommunities: [
        [our, 0, 1],
        [our, 2, 2],
        [our, 3, 2],
      ],
    });
    t.match(told('north', 2, 'br2'), {
      prepend: 2,
      largeCommunities: [
        [our, 0, 1],
        [our, 2, 2],
      ],
    });
    t.match(told('west', 2, 'br2'), { prepend: 0 }, 'nothing is asked of its own link');
    t.match(told('north', 4, 'br2'), {
      prepend: 0,
      largeCommunities: [
        [our, 0, 1],
        [our, 2, 99],
        [our, 3, 99],
      ],
    });
  },
);

t.test('providers’ own communities, and MED where one neighbour has two links', async (t) => {
  const twins = [...links, { ...link('west2', 4, 'br2'), neighbor: asn(65003) }];
  const ladder: Ladder = [
    { kind: 'unbiased' },
    {
      kind: 'provider_communities',
      name: 'local_preference_80',
      byLink: new Map([
        [1, { communities: [[65001, 80]], largeCommunities: [] }],
        [3, { communities: [], largeCommunities: [[65003, 1, 80]] }],
      ]),
    },
    { kind: 'med' },
  ];
  const first = (preferred: string, rung: number) => {
    const desired = announcementsFor({
      ...world,
      links: twins,
      ladder,
      blocks: [plan(preferred, rung)],
    });
    return desired.get(routerId('br1'))?.[0];
  };
  t.match(first('south', 1), {
    communities: [[65001, 80]],
    largeCommunities: [
      [our, 0, 1],
      [65003, 1, 80],
    ],
  });
  t.same(first('north', 1)?.communities, [], 'the preferred link’s provider is not asked');
  t.same(first('west', 2)?.largeCommunities, [
    [our, 0, 1],
    [our, 4, 90],
  ]);
  t.same(first('north', 2)?.largeCommunities, [[our, 0, 1]], 'other neighbours compare no MED');
});

t.test('more-specifics never take a whole network from a link', async (t) => {
  const network = { ...plan('north', 4), block: prefixText('198.51.100.0/22') };
  const told = (mayAnnounce: (part: Prefix) => boolean) =>
    announcementsFor({ ...world, mayAnnounce, links, blocks: [network] })
      .get(routerId('br1'))
      ?.map(({ prefix, largeCommunities }) => [prefix, largeCommunities.map((c) => c.join(':'))]);
  const kept = ['64512:0:1', '64512:2:99', '64512:3:99'];
  t.same(
    told(() => true),
    [
      ['198.51.100.0/22', ['64512:0:1']],
      ['198.51.100.0/23', kept],
      ['198.51.102.0/23', kept],
    ],
  );
  t.same(
    told((part) => formatPrefix(part) !== '198.51.102.0/23'),
    [['198.51.100.0/22', ['64512:0:1', '64512:2:3', '64512:3:3']]],
    'with a half that no ROA allows it stops at the prepends',
  );
});

t.test('the order of links and blocks does not matter', async (t) => {
  const blocks = ['198.51.100.0/24', '198.51.101.0/24', '2001:db8::/40'].map((block) => ({
    ...plan('north', 2),
    block: prefixText(block),
  }));
  const wanted = announcementsFor({ ...world, links, blocks });
  const other = announcementsFor({
    ...world,
    links: [...links].reverse(),
    blocks: [...blocks].reverse(),
  });
  t.same([...other], [...wanted]);
});

t.test('what is not ours, too long or unmarked is refused', async (t) => {
  t.equal(refuseAnnouncement(marked('198.51.100.0/24'), rails), undefined);
  t.equal(refuseAnnouncement(marked('198.51.100.0/22'), rails), undefined);
  t.equal(refuseAnnouncement(marked('203.0.113.0/24'), rails), 'not_ours');
  t.equal(
    refuseAnnouncement(marked('198.51.0.0/16'), rails),
    'not_ours',
    'shorter than our network',
  );
  t.equal(refuseAnnouncement(marked('198.51.100.0/25'), rails), 'longer_than_floor');
  t.equal(refuseAnnouncement(marked('2001:db8::/49'), rails), 'longer_than_floor');
  t.equal(
    refuseAnnouncement({ ...marked('198.51.100.0/24'), largeCommunities: [] }, rails),
    'unmarked',
  );
  t.equal(refuseAnnouncement(marked('198.51.100.1/24'), rails), 'bad_prefix');
});

t.test('the encoder itself lets no foreign prefix out, whatever reaches it', async (t) => {
  const anyText = fc.oneof(
    fc.ipV4().map((a) => `${a}/32`),
    fc.constantFrom(
      '198.51.100.0/24',
      '203.0.113.0/24',
      '0.0.0.0/0',
      '2001:db8:1::/48',
      '::/0',
      '198.51.103.0/25',
    ),
  );
  fc.assert(
    fc.property(fc.array(anyText, { maxLength: 20 }), (texts) => {
      const routes = [...new Set(texts)].map((text) =>
        makeRoute(marked(text), text.includes(':') ? '2001:db8::1' : '192.0.2.1', {
          localAsn: our,
          agreed,
        }),
      );
      const { messages, refused } = encodeAnnouncements(
        routes,
        (r) => refusePrefix(r.prefix, rails),
        context,
      );
      const left = messages.flatMap(prefixesIn);
      const allowed = new Set(['198.51.100.0/24', '2001:db8:1::/48']);
      return (
        left.every((text) => allowed.has(text)) && left.length + refused.length === routes.length
      );
    }),
  );
  t.pass();
});

function prefixesIn(message: Uint8Array): string[] {
  const decoded = decodeUpdate(message, {
    as4: true,
    isInternal: true,
    addPath: { 4: false, 6: false },
    acceptAsSets: false,
  });
  if (!decoded.ok || decoded.value.errors.length > 0) throw new Error('our own message has a flaw');
  const { announced, mpReach, withdrawn, mpUnreach } = decoded.value.update;
  return [...announced, ...withdrawn, ...(mpReach?.nlri ?? []), ...(mpUnreach?.nlri ?? [])].map(
    ({ prefix }) => formatPrefix(prefix),
  );
}

t.test('many blocks with equal attributes share messages that fit', async (t) => {
  const wide: OutboundRails = { ...rails, networks: [parsed('10.0.0.0/8')] };
  const texts = Array.from({ length: 3_000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
  const routes = texts.map((text) =>
    makeRoute(marked(text), '192.0.2.1', { localAsn: our, agreed }),
  );
  const { messages } = encodeAnnouncements(routes, (r) => refusePrefix(r.prefix, wide), context);
  t.ok(messages.length <= 4, `${messages.length} messages`);
  t.ok(messages.every((message) => message.length <= 4096));
  t.same(messages.flatMap(prefixesIn), texts);
  const back = encodeWithdrawals(routes, context);
  t.same(back.flatMap(prefixesIn), texts);
  t.ok(back.every((message) => message.length <= 4096));
});

t.test('only the difference is sent', async (t) => {
  const route = (text: string, med?: number) =>
    makeRoute({ ...marked(text), ...(med === undefined ? {} : { med }) }, '192.0.2.1', {
      localAsn: our,
      agreed,
    });
  const [a, b, changed] = [
    route('198.51.100.0/24'),
    route('198.51.101.0/24'),
    route('198.51.100.0/24', 9),
  ];
  const sent = new Map([
    [prefixText('198.51.100.0/24'), a],
    [prefixText('198.51.102.0/24'), a],
  ]);
  const desired = new Map([
    [prefixText('198.51.100.0/24'), changed],
    [prefixText('198.51.101.0/24'), b],
  ]);
  const { withdraw, announce } = whole(compareOutbound(desired, sent));
  t.same(withdraw, ['198.51.102.0/24']);
  t.same(
    announce.map(({ prefix }) => formatPrefix(prefix)),
    ['198.51.100.0/24', '198.51.101.0/24'],
  );
  t.same(
    whole(compareOutbound(desired, desired)),
    { withdraw: [], announce: [] },
    'equal: nothing',
  );
});

t.test('eBGP: our AS leads the path, and a peer or customer hears Only to Customer', async (t) => {
  const plain = makeRoute(marked('198.51.100.0/24'), '192.0.2.1', {
    localAsn: our,
    agreed: { isInternal: false, peerRole: 'customer' },
  });
  t.match(plain.attributes, { asPath: [{ kind: 'sequence', asns: [our] }], onlyToCustomer: our });
  t.equal(plain.attributes.localPref, undefined);
  const prepended = makeRoute({ ...marked('198.51.100.0/24'), prepend: 2 }, '192.0.2.1', {
    localAsn: our,
    agreed: { isInternal: false, peerRole: 'provider' },
  });
  t.match(prepended.attributes.asPath, [{ kind: 'sequence', asns: [our, our, our] }]);
  t.equal(prepended.attributes.onlyToCustomer, undefined);
});
