import { type Address, type Prefix, parseAddress, parsePrefix } from '../core/base/prefix.ts';
import type { Settings } from '../core/settings/index.ts';
import type { ProbeLink, ProbeTarget } from './engine.ts';
import { usualPorts } from './packet.ts';
import type { ProberOptions } from './prober.ts';

/** The links that can be probed: those with a source. Marks by VLAN are not ours to write on a management port. */
export function probeLinksOf(settings: Pick<Settings, 'links'>): ProbeLink[] {
  return settings.links.flatMap(({ name, source, mark, probeBy }) => {
    const sources = (source ?? []).flatMap(addressOf);
    if (sources.length === 0) return [];
    return [
      {
        link: name,
        sources,
        dscp: mark && 'dscp' in mark ? mark.dscp : 0,
        ...(probeBy?.fwmark === undefined ? {} : { fwmark: probeBy.fwmark }),
        ...(probeBy?.interface === undefined ? {} : { device: probeBy.interface }),
      },
    ];
  });
}

/** What `createProber` needs; undefined where settings ask for no probes or no link has a source. */
export function proberOptionsOf(settings: Settings): ProberOptions | undefined {
  const { probe } = settings;
  const links = probeLinksOf(settings);
  if (probe === undefined || links.length === 0) return undefined;
  return {
    links,
    targets: probe.targets.flatMap(({ address, method, port }): ProbeTarget[] =>
      addressOf(address).map((parsed) => ({
        address: parsed,
        method,
        port: port ?? usualPorts[method],
      })),
    ),
    intervalMs: probe.interval,
    timeoutMs: probe.timeout,
    budget: {
      perLink: probe.budget.perLink,
      perNetwork: probe.budget.perNetwork,
      prohibitedForMs: probe.prohibitedFor,
    },
    never: probe.never.flatMap(prefixesOf),
    significance: probe.significance,
  };
}

// Settings have been checked: what does not parse here cannot occur.
function addressOf(text: string): Address[] {
  const parsed = parseAddress(text);
  return parsed.ok ? [parsed.value] : [];
}

function prefixesOf(text: string): Prefix[] {
  const parsed = parsePrefix(text);
  return parsed.ok ? [parsed.value] : [];
}
