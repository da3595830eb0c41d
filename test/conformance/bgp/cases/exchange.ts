/** What both sides tell each other arrives as it was meant. */
import type { Test } from 'tap';
import { border, eventually } from '../border.ts';
import type { RouterKind } from '../routers/router.ts';
import { announce, block, find, open, openOther, otherAsn, ourAsn, peerName } from '../suite.ts';

export async function internal(
  t: Test,
  kind: RouterKind,
  transport: 'ipv4' | 'ipv6',
): Promise<void> {
  const { router, speaker } = await open(t, kind, { transport });
  announce(
    speaker,
    block('198.51.100.0/24', {
      largeCommunities: [
        [ourAsn, 0, 1],
        [ourAsn, 1, 2],
      ],
      communities: [[65000, 80]],
    }),
    block('2001:db8:4100::/40'),
  );
  const seen = await eventually('both blocks arrive', async () => {
    const ipv4 = await find(router, '198.51.100.0/24');
    const ipv6 = await find(router, '2001:db8:4100::/40');
    return ipv4 && ipv6 && { ipv4, ipv6 };
  });
  t.match(seen.ipv4, {
    nextHop: border.inside.ipv4,
    asPath: [],
    communities: ['65000:80'],
    largeCommunities: [`${ourAsn}:0:1`, `${ourAsn}:1:2`],
  });
  t.equal(seen.ipv6.nextHop, border.inside.ipv6, "the next hop is the router's own inside one");
  announce(speaker, block('198.51.100.0/24'));
  await eventually('the change and the withdrawal arrive', async () => {
    const routes = await router.routes();
    return routes.length === 1 && routes[0]?.communities.length === 0;
  });
  await router.refresh();
  await eventually(
    'the router asked again',
    () => (speaker.sessions()[0]?.counters['in.route_refresh'] ?? 0) > 0 || !kind.can.refresh,
  );
  await eventually('a refresh changes nothing', async () => (await router.routes()).length === 1);
  speaker.withdrawAll();
  await eventually('all is withdrawn', async () => (await router.routes()).length === 0, 2_000);
}

export async function external(t: Test, kind: RouterKind): Promise<void> {
  const { router, speaker } = await open(t, kind, { unitAsn: 64999 });
  const marked = { largeCommunities: [[64999, 0, 1]] as const };
  announce(
    speaker,
    block('198.51.100.0/24', marked),
    block('198.51.101.0/24', { ...marked, prepend: 2 }),
  );
  const seen = await eventually('both blocks arrive', async () => {
    const plain = await find(router, '198.51.100.0/24');
    const longer = await find(router, '198.51.101.0/24');
    return plain && longer && { plain, longer };
  });
  t.same(seen.plain.asPath, [64999]);
  t.same(seen.longer.asPath, [64999, 64999, 64999]);
  t.equal(seen.plain.nextHop, border.inside.ipv4, 'not the unit');
}

export async function learned(t: Test, kind: RouterKind): Promise<void> {
  const { router, speaker } = await open(t, kind, {}, { nextHop: {} });
  await eventually('the aggregates arrive', () => speaker.routesFrom(peerName).length >= 2);
  t.match(speaker.routesFrom(peerName, '198.51.100.0/24'), [
    { prefix: '198.51.100.0/22', nextHop: border.inside.ipv4 },
  ]);
  announce(speaker, block('198.51.100.0/24'), block('2001:db8:4100::/40'));
  const hops = await eventually('both blocks arrive', async () => {
    const routes = await router.routes();
    return routes.length === 2 && routes.map(({ nextHop }) => nextHop).sort();
  });
  t.same(hops, [border.inside.ipv4, border.inside.ipv6]);
}

/** RFC 7911, both ways: the router tells what it has from us and from another, we tell two paths of one block. */
export async function severalPaths(t: Test, kind: RouterKind): Promise<void> {
  const { router, speaker } = await open(t, kind, { otherAsn });
  const other = await openOther(t, [{ ...block('198.51.100.0/22'), nextHop: '10.99.0.51' }]);
  const paths = await eventually('both paths of the aggregate arrive', () => {
    const routes = speaker
      .routesFrom(peerName, '198.51.100.0/22')
      .filter(({ prefix }) => prefix === '198.51.100.0/22');
    return routes.length === 2 && routes;
  });
  t.not(paths[0]?.pathId, paths[1]?.pathId, 'told apart by their identifiers');
  t.same(paths.map(({ asPath }) => asPath).sort(), ['', String(otherAsn)]);
  await other.stop();
  await eventually(
    'the path of the other is taken back, and only that',
    () => speaker.routesFrom(peerName, '198.51.100.0/22').length === 1,
  );

  announce(
    speaker,
    block('198.51.100.0/24', { communities: [[65000, 1]] }),
    block('198.51.100.0/24', { pathId: 2, communities: [[65000, 2]] }),
  );
  const seen = await eventually('the router has both paths of the block', async () => {
    const routes = (await router.routes()).filter(({ prefix }) => prefix === '198.51.100.0/24');
    return routes.length === 2 && routes;
  });
  t.same(seen.flatMap(({ communities }) => communities).sort(), ['65000:1', '65000:2']);
  announce(speaker, block('198.51.100.0/24', { communities: [[65000, 1]] }));
  await eventually('one of them is taken back', async () => {
    const routes = await router.routes();
    return routes.length === 1 && routes[0]?.communities[0] === '65000:1';
  });
}
