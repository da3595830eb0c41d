import { type Prefix, parsePrefix } from '../../core/base/prefix.ts';
import type { Settings } from '../../core/settings/index.ts';
import type { FlowCollectorOptions } from './collector.ts';
import type { LinkSign } from './exporter-view.ts';

/** What `createFlowCollector` needs; undefined where settings name no exports. */
export function flowOptionsOf(settings: Settings): FlowCollectorOptions | undefined {
  const { flows } = settings;
  if (flows === undefined) return undefined;
  return {
    listen: flows.listen,
    exporters: flows.exporters.map((exporter) => ({
      address: exporter.address,
      links: linkSigns(settings, exporter),
      ...(exporter.sampling === undefined ? {} : { sampling: exporter.sampling }),
      metering: exporter.metering,
      layer2Overhead: exporter.layer2Overhead,
      octets: exporter.octets,
    })),
    account: {
      links: settings.links.map((link) => link.name),
      blocks: settings.blocks.flatMap((block) => prefixOf(block.prefix)),
      watched: settings.links.flatMap(({ source = [] }) => source.flatMap(prefixOf)),
      networks: settings.networks.flatMap(prefixOf),
      destinationLength: { ipv4: flows.destinations.ipv4, ipv6: flows.destinations.ipv6 },
      destinationsMax: flows.destinations.max,
      recordAgeMsMax: flows.recordAge,
    },
    templateLifetimeMs: flows.templateLifetime,
  };
}

type Exporter = NonNullable<Settings['flows']>['exporters'][number];

/**
 * How each link shows at one exporter: by the interface number that settings give, by the neighbour's MAC
 * address and by its VLAN. Links of other routers are not looked for where the exporter is known to be a router.
 */
function linkSigns(settings: Settings, exporter: Exporter): LinkSign[] {
  return settings.links
    .filter((link) => exporter.router === undefined || link.router === exporter.router)
    .map((link) => {
      const ifIndex = exporter.interfaces.find((entry) => entry.link === link.name)?.ifIndex;
      const { mac, vlan } = link.attribute ?? {};
      return {
        link: link.name,
        ...(ifIndex === undefined ? {} : { ifIndex }),
        ...(mac === undefined ? {} : { mac }),
        ...(vlan === undefined ? {} : { vlan }),
      };
    });
}

// Settings have been checked: what does not parse here cannot occur.
function prefixOf(text: string): Prefix[] {
  const parsed = parsePrefix(text);
  return parsed.ok ? [parsed.value] : [];
}
