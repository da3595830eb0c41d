/** What no single key can know: names that must exist, and settings that contradict each other. */
import { covers, prefixOf } from '../base/prefix.ts';
import type { BlockSettings } from './blocks.ts';
import { clusterComplaints, unitsOfLink } from './cluster-check.ts';
import type { Complaint } from './complaint.ts';
import { driverComplaints } from './driver-check.ts';
import { outboundOrder } from './outbound.ts';
import { prependComplaints } from './prepend-check.ts';
import type { LinkSettings, ParsedSettings } from './schema.ts';
import { nearest } from './section.ts';

export function crossCheck(
  settings: ParsedSettings,
  blocks: readonly BlockSettings[],
): readonly Complaint[] {
  return [
    ...uniqueNames(settings),
    ...wireComplaints(settings),
    ...settings.links.flatMap((link, i) => linkComplaints(settings, link, i)),
    ...routerComplaints(settings),
    ...driverComplaints(settings),
    ...prependComplaints(settings),
    ...outboundComplaints(settings),
    ...blockComplaints(settings, blocks),
    ...policyComplaints(settings, blocks),
    ...ladderComplaints(settings),
    ...rpkiComplaints(settings),
    ...dnsComplaints(settings),
    ...noticeComplaints(settings),
    ...clusterComplaints(settings),
  ];
}

function uniqueNames(settings: ParsedSettings): Complaint[] {
  const complaints: Complaint[] = [];
  for (const key of ['wires', 'links', 'routers', 'groups'] as const) {
    const seen = new Set<string>();
    for (const [i, entry] of settings[key].entries()) {
      const { name } = entry;
      // Of several units each may have a wire of one name.
      const owners = key === 'wires' && 'unit' in entry ? entry.unit : undefined;
      const names = (owners ?? ['']).map((unit) => `${name} ${unit}`);
      if (names.some((own) => seen.has(own))) {
        complaints.push({
          path: [key, i, 'name'],
          message: `"${name}" is taken; expected a name of its own`,
        });
      }
      for (const own of names) seen.add(own);
    }
  }
  return complaints;
}

function wireComplaints({ wires, links }: ParsedSettings): Complaint[] {
  const complaints: Complaint[] = [];
  const ports = new Map<string, string>();
  for (const [i, wire] of wires.entries()) {
    if (wire.driver === 'mirror' && wire.outside !== undefined) {
      complaints.push({
        path: ['wires', i, 'outside'],
        message: 'a mirror has one interface: leave outside away',
      });
    }
    if (wire.driver !== 'mirror' && wire.outside === undefined) {
      complaints.push({
        path: ['wires', i],
        message: 'expected outside: the interface towards the border',
      });
    }
    if (wire.workers > 1 && wire.driver !== 'af_packet') {
      complaints.push({
        path: ['wires', i, 'workers'],
        message:
          'several workers need driver: af_packet; with the others every processor works that the card spreads to',
      });
    }
    for (const key of ['inside', 'outside'] as const) {
      const port = wire[key];
      if (port === undefined) continue;
      const places = (wire.unit ?? ['']).map((unit) => `${port} ${unit}`);
      const taken = places.map((place) => ports.get(place)).find((name) => name !== undefined);
      if (taken !== undefined) {
        complaints.push({
          path: ['wires', i, key],
          message: `${port} is already a port of wire ${taken}`,
        });
      }
      for (const place of places) ports.set(place, wire.name);
    }
    const users = links.filter((link) => link.attribute?.wire === wire.name);
    if (wire.place === 'link' && users.length !== 1) {
      complaints.push({
        path: ['wires', i],
        message: `a wire of place link carries one link, but ${users.length} links name it in attribute`,
      });
    }
  }
  return complaints;
}

function linkComplaints(settings: ParsedSettings, link: LinkSettings, i: number): Complaint[] {
  const complaints: Complaint[] = [];
  const at = (...rest: PropertyKey[]) => ['links', i, ...rest];
  const { attribute, mark, router, source } = link;
  if (router !== undefined && !settings.routers.some((r) => r.name === router)) {
    complaints.push({
      path: at('router'),
      message: unknownName('router', router, settings.routers),
    });
  }
  const wire = attribute && settings.wires.find((w) => w.name === attribute.wire);
  // A mark is a word between one unit and its own routers.
  const areTogether = (one: LinkSettings, other: LinkSettings) =>
    settings.cluster === undefined ||
    unitsOfLink(settings, one).some((unit) => unitsOfLink(settings, other).includes(unit));
  if (attribute && !wire) {
    complaints.push({
      path: at('attribute', 'wire'),
      message: unknownName('wire', attribute.wire, settings.wires),
    });
  }
  if (attribute && wire) {
    const ways = (['mac', 'vlan', 'dscp'] as const).filter((key) => attribute[key] !== undefined);
    if (wire.place === 'link' && ways.length > 0) {
      complaints.push({
        path: at('attribute'),
        message: `wire ${wire.name} is of place link and is this link: leave ${ways.join(', ')} away`,
      });
    }
    if (wire.place === 'inside' && ways.length !== 1) {
      complaints.push({
        path: at('attribute'),
        message: `expected one of mac, vlan, dscp: how packets of this link are known on wire ${wire.name}`,
      });
    }
  }
  // Probes bear the mark too: with a source it is of use without any wire.
  const isMarkable = wire ? wire.place === 'inside' : attribute !== undefined;
  if (mark && !isMarkable && source === undefined) {
    complaints.push({
      path: at('mark'),
      message: 'marks work only on a wire of place inside: behind it a router still chooses',
    });
  }
  for (const [j, other] of settings.links.entries()) {
    if (j >= i) break;
    if (mark && areTogether(link, other) && JSON.stringify(other.mark) === JSON.stringify(mark)) {
      complaints.push({
        path: at('mark'),
        message: `the same mark as link ${other.name}; expected one of its own`,
      });
    }
    if (
      attribute &&
      wire?.place === 'inside' &&
      JSON.stringify(other.attribute) === JSON.stringify(attribute)
    ) {
      complaints.push({
        path: at('attribute'),
        message: `the same attribute as link ${other.name}; packets could not be told apart`,
      });
    }
  }
  return complaints;
}

function outboundComplaints({ outbound }: ParsedSettings): Complaint[] {
  if (!outbound) return [];
  const { release, target, threshold } = outbound;
  return release < target && target < threshold
    ? []
    : [{ path: ['outbound'], message: outboundOrder }];
}

function routerComplaints(settings: ParsedSettings): Complaint[] {
  const complaints: Complaint[] = [];
  for (const [i, { asn, bgp, snmp }] of settings.routers.entries()) {
    complaints.push(...secretComplaints(snmp, ['routers', i, 'snmp']));
    if (bgp?.egressAddress !== undefined && (asn ?? settings.asn) !== settings.asn) {
      complaints.push({
        path: ['routers', i, 'bgp', 'egress_address'],
        message: 'detours are told by iBGP alone, and this router is of another AS',
      });
    }
    const main = bgp?.localAddress ?? settings.management.address;
    const own = bgp?.egressAddress ?? settings.management.egressAddress;
    if (bgp && own !== undefined && own === main) {
      complaints.push({
        path: ['routers', i, 'bgp'],
        message: `${own} is our end of both sessions; expected an egress_address of its own`,
      });
    }
    if (bgp?.md5 !== undefined && bgp.md5File !== undefined) {
      complaints.push({
        path: ['routers', i, 'bgp', 'md5_file'],
        message: 'expected md5 or md5_file, not both',
      });
    }
  }
  const speaks = settings.routers.some((router) => router.bgp !== undefined);
  const acts = speaks || settings.routers.some((router) => router.driver?.blocks === true);
  if (settings.mode === 'control' && !acts && settings.dns === undefined) {
    complaints.push({
      path: ['mode'],
      message:
        'control needs a router with bgp: {} or a driver, or dns; without them use observe or advise',
    });
  }
  const { address, interface: port, routerId } = settings.management;
  const hasIpv4 = address !== undefined && !address.includes(':');
  if (speaks && routerId === undefined && !hasIpv4 && port === undefined) {
    complaints.push({
      path: ['management'],
      message: 'BGP needs an identifier: set interface, an IPv4 address or router_id',
    });
  }
  return complaints;
}

/** Each secret is given once: in the settings or in a file. */
function secretComplaints(
  snmp: ParsedSettings['routers'][number]['snmp'],
  path: readonly PropertyKey[],
): Complaint[] {
  if (snmp === undefined) return [];
  if (snmp.version === '2c') {
    return (snmp.community === undefined) === (snmp.communityFile === undefined)
      ? [{ path, message: 'expected community or community_file, one of them' }]
      : [];
  }
  return (['auth', 'privacy'] as const).flatMap((kind) =>
    snmp[`${kind}Key`] !== undefined && snmp[`${kind}KeyFile`] !== undefined
      ? [{ path, message: `expected ${kind}_key or ${kind}_key_file, not both` }]
      : [],
  );
}

function blockComplaints(settings: ParsedSettings, blocks: readonly BlockSettings[]): Complaint[] {
  const complaints: Complaint[] = [];
  if (settings.networks.length === 0) {
    complaints.push({
      path: ['networks'],
      message: 'expected at least one prefix: our own address space',
    });
  }
  const networks = settings.networks.map(prefixOf);
  const { blocks: given } = settings;
  const listed = 'ipv4' in given ? undefined : given;
  const { floor } = settings.steering;
  for (const { prefix: text } of blocks) {
    const prefix = prefixOf(text);
    const index = listed?.findIndex((b) => b.prefix === text) ?? -1;
    const path = index >= 0 ? ['blocks', index] : ['blocks'];
    if (!networks.some((network) => covers(network, prefix))) {
      complaints.push({
        path,
        message: `${text} is in none of networks; only own space is counted and announced`,
      });
    }
    const longest = prefix.family === 4 ? floor.ipv4 : floor.ipv6;
    if (prefix.length > longest) {
      complaints.push({
        path,
        message: `${text} is longer than /${longest}, the longest that may be announced (steering.floor)`,
      });
      if (!listed) break;
    }
  }
  return complaints;
}

function policyComplaints(settings: ParsedSettings, blocks: readonly BlockSettings[]): Complaint[] {
  const complaints: Complaint[] = [];
  const known = new Set<string>(blocks.map((block) => block.prefix));
  const checkLink = (name: string, path: readonly PropertyKey[]) => {
    if (!settings.links.some((link) => link.name === name)) {
      complaints.push({ path, message: unknownName('link', name, settings.links) });
    }
  };
  const checkBlock = (block: string, path: readonly PropertyKey[]) => {
    if (blocks.length > 0 && !known.has(block)) {
      complaints.push({ path, message: `${block} is none of the blocks` });
    }
  };
  const groupNames = new Set(settings.groups.map((group) => group.name));
  if (groupNames.size > 0 && !('ipv4' in settings.blocks)) {
    for (const [i, block] of settings.blocks.entries()) {
      if (block.group !== undefined && !groupNames.has(block.group)) {
        complaints.push({
          path: ['blocks', i, 'group'],
          message: unknownName('group', block.group, settings.groups),
        });
      }
    }
  }
  for (const [i, group] of settings.groups.entries()) {
    for (const [j, link] of (group.links ?? []).entries())
      checkLink(link, ['groups', i, 'links', j]);
    for (const [j, block] of group.blocks.entries()) checkBlock(block, ['groups', i, 'blocks', j]);
  }
  for (const [i, pin] of settings.pins.entries()) {
    checkLink(pin.link, ['pins', i, 'link']);
    checkBlock(pin.block, ['pins', i, 'block']);
  }
  for (const [i, window] of settings.maintenance.entries()) {
    checkLink(window.link, ['maintenance', i, 'link']);
    if (window.to <= window.from) {
      complaints.push({ path: ['maintenance', i, 'to'], message: 'expected a time after from' });
    }
  }
  return complaints;
}

function rpkiComplaints({ rpki }: ParsedSettings): Complaint[] {
  if (!rpki || (rpki.caches?.length ?? 0) > 0 !== (rpki.vrps !== undefined)) return [];
  const message = 'expected caches: [address and port, …] or vrps: a file, one of them';
  return [{ path: ['rpki'], message }];
}

/** Rungs that no link could carry out, and communities that would speak for us. */
function ladderComplaints(settings: ParsedSettings): Complaint[] {
  const { links, providerCommunities: providers, steering } = settings;
  const complaints: Complaint[] = [];
  for (const [i, rung] of (steering.ladder ?? []).entries()) {
    const path = ['steering', 'ladder', i];
    const asns = links.map((link) => link.asn);
    if (rung === 'med' && new Set(asns).size === asns.length) {
      complaints.push({ path, message: 'med needs two links to the same neighbouring AS' });
    }
    if (typeof rung !== 'object' || !('provider' in rung)) continue;
    const isOffered = providers.some(({ actions }) => rung.provider in actions);
    if (!isOffered) {
      const message = `no provider_communities name an action "${rung.provider}"`;
      complaints.push({ path: [...path, 'provider'], message });
    }
  }
  for (const [i, { asn, actions }] of providers.entries()) {
    if (!links.some((link) => link.asn === asn)) {
      const message = `no link leads to AS ${asn}`;
      complaints.push({ path: ['provider_communities', i, 'asn'], message });
    }
    for (const [action, communities] of Object.entries(actions)) {
      const own = communities.find((value) => value.length === 3 && value[0] === settings.asn);
      if (!own) continue;
      const message = `${own.join(':')} is a word between headgate and our own routers; expected a community of the provider`;
      complaints.push({ path: ['provider_communities', i, 'actions', action], message });
    }
  }
  return complaints;
}

function noticeComplaints({ notices, metrics }: ParsedSettings): Complaint[] {
  const { webhook } = notices ?? {};
  return [
    ...(webhook && (webhook.url === undefined) === (webhook.urlFile === undefined)
      ? [{ path: ['notices', 'webhook'], message: 'expected url or url_file, one of them' }]
      : []),
    ...(notices && !webhook && !notices.mail
      ? [{ path: ['notices'], message: 'expected webhook or mail: where notices go' }]
      : []),
    ...(metrics.page && !metrics.listen
      ? [{ path: ['metrics', 'page'], message: 'the page needs metrics.listen' }]
      : []),
  ];
}

/** Steered names lie in a zone of ours, and their addresses belong to links. */
function dnsComplaints({ dns, links }: ParsedSettings): Complaint[] {
  return (dns?.names ?? []).flatMap(({ name, addresses }, i) => {
    const isServed = dns?.zones.some((zone) => `.${name}`.endsWith(`.${zone.name}`));
    const outside = {
      path: ['dns', 'names', i, 'name'],
      message: `${name} lies in none of dns.zones`,
    };
    const strangers = addresses.flatMap(({ link }, j) =>
      links.some((known) => known.name === link)
        ? []
        : [
            {
              path: ['dns', 'names', i, 'addresses', j, 'link'],
              message: unknownName('link', link, links),
            },
          ],
    );
    return [...(isServed ? [] : [outside]), ...strangers];
  });
}

function unknownName(
  kind: string,
  name: string,
  known: ReadonlyArray<{ readonly name: string }>,
): string {
  const names = known.map((entry) => entry.name);
  const near = nearest(name, names);
  if (near !== undefined) return `there is no ${kind} "${name}"; did you mean "${near}"?`;
  return `there is no ${kind} "${name}"; there ${names.length === 1 ? 'is' : 'are'} ${names.join(', ') || 'none'}`;
}
