/** `headgate router-config`: the policy that a border router needs, in its own configuration language. */
import { hostname } from 'node:os';
import type { Command } from 'commander';
import { Option } from 'commander';
import { parsePrefix } from '../core/base/prefix.ts';
import { assert } from '../core/base/result.ts';
import type { RouterSettings, Settings } from '../core/settings/index.ts';
import { announcedMax, peeringsOf } from '../daemon/configure.ts';
import { beginMark, endMark } from '../router/section.ts';
import { type RouterKind, renderPolicy, routerKinds } from '../router/templates/index.ts';
import type { RouterPolicy, UnitEnd } from '../router/templates/policy.ts';
import { UseError } from './face/exit.ts';
import { defaultSettingsFile, requireSettings } from './face/settings-file.ts';

interface Options {
  readonly config: string;
  readonly kind: RouterKind;
  readonly unit?: string;
}

/** As many as the speaker tells one router. */
const maxDetours = 10_000;

export function register(program: Command): void {
  program
    .command('router-config')
    .description(
      'prints the policy that a router needs: communities to prepends, limits, the session',
    )
    .argument('<router>', 'name of a router in the settings')
    .addOption(
      new Option('-k, --kind <kind>', 'configuration language')
        .choices(routerKinds)
        .makeOptionMandatory(),
    )
    .option('-c, --config <file>', 'settings', defaultSettingsFile)
    .option('-u, --unit <address>', 'our end of the one session, where the settings do not name it')
    .action((router: string, options: Options) => {
      const settings = requireSettings(options.config);
      process.stdout.write(renderPolicy(options.kind, policyFor(settings, router, options.unit)));
      const { driver } = settings.routers.find(({ name }) => name === router) ?? {};
      // Where the driver writes, and nowhere else.
      if (driver && options.kind === 'bird') process.stdout.write(`${beginMark}\n${endMark}\n`);
    });
}

/** What the settings say of one router. Throws UseError when they do not say enough. */
export function policyFor(settings: Settings, name: string, unit?: string): RouterPolicy {
  const router = settings.routers.find((candidate) => candidate.name === name);
  if (!router) {
    const names = settings.routers.map((candidate) => candidate.name).join(', ');
    throw new UseError(`no router "${name}" in the settings; there are: ${names || 'none'}`);
  }
  const [own, partner] = endsFor(settings, router, unit);
  return {
    router: router.name,
    asn: router.asn ?? settings.asn,
    unit: { ...own, asn: settings.asn },
    ...(partner ? { partner } : {}),
    networks: settings.networks.map((text) => {
      const prefix = parsePrefix(text);
      assert(prefix.ok, `the settings were checked: ${text}`);
      return prefix.value;
    }),
    floor: settings.steering.floor,
    links: settings.links.flatMap((link, i) =>
      link.router === router.name
        ? [
            {
              number: i + 1,
              name: link.name,
              asn: link.asn,
              neighbors: link.neighbor ?? [],
              ...(link.mark ? { mark: link.mark } : {}),
            },
          ]
        : [],
    ),
    maxPrefixes: announcedMax(settings),
    maxDetours,
    ...bmpOf(settings, own.address),
    ...(router.bgp?.md5 !== undefined ? { md5: router.bgp.md5 } : {}),
    ...(router.bgpCustomers ? { hasCustomers: true } : {}),
    addPath: router.bgp?.addPath ?? true,
    ...(router.bgp?.prepend === 'path' ? { takesOwnAs: true } : {}),
  };
}

/** Of every unit that speaks with the router; of this machine alone where an address is given. */
function endsFor(
  settings: Settings,
  router: RouterSettings,
  given: string | undefined,
): readonly [UnitEnd, UnitEnd?] {
  if (given !== undefined) {
    const known = endOf(settings, router);
    return [{ ...known, address: given }];
  }
  const { cluster } = settings;
  if (!cluster || router.unit === undefined) {
    const { address, ...rest } = endOf(settings, router);
    if (address === undefined)
      throw new UseError(
        'the settings do not name our address: set management.address or give --unit',
      );
    return [{ address, ...rest }];
  }
  const here = cluster.unit ?? hostname();
  const [first, second] = router.unit.map((name): UnitEnd => {
    const { address, ...rest } = endOf(settingsAt(settings, name, here), router);
    if (address === undefined)
      throw new UseError(
        `router ${router.name} speaks with ${name}, whose address these settings do not name: set it in cluster.units, or run this at ${name}, or give it with --unit`,
      );
    return { address, ...rest, ...(router.unit?.[1] === undefined ? {} : { name }) };
  });
  assert(first !== undefined, 'a router has a unit: the settings were checked');
  return second ? [first, second] : [first];
}

/** What a unit of the given name has of what differs from machine to machine; only this one's own is in this file. */
function settingsAt(settings: Settings, name: string, here: string): Settings {
  const { address, egressAddress } =
    settings.cluster?.units.find((entry) => entry.name === name) ?? {};
  const isHere = name === here;
  const { address: ownAddress, egressAddress: ownEgress, ...management } = settings.management;
  const addresses = {
    address: address ?? (isHere ? ownAddress : undefined),
    egressAddress: egressAddress ?? (isHere ? ownEgress : undefined),
  };
  return {
    ...settings,
    management: {
      ...management,
      ...(addresses.address === undefined ? {} : { address: addresses.address }),
      ...(addresses.egressAddress === undefined ? {} : { egressAddress: addresses.egressAddress }),
    },
    routers: isHere ? settings.routers : settings.routers.map(withoutEnds),
  };
}

function withoutEnds({ bgp, ...router }: RouterSettings): RouterSettings {
  if (!bgp) return router;
  const { localAddress: _, egressAddress: __, ...rest } = bgp;
  return { ...router, bgp: rest };
}

function endOf(settings: Settings, { name }: RouterSettings): Partial<UnitEnd> {
  const peering = peeringsOf(settings).find((entry) => entry.name === name);
  const router = settings.routers.find((entry) => entry.name === name);
  const address = router?.bgp?.localAddress ?? settings.management.address;
  const egressAddress = peering?.egressAddress;
  return {
    ...(address === undefined ? {} : { address }),
    ...(egressAddress === undefined ? {} : { egressAddress }),
  };
}

/** Where routers reach our station: one that listens at every address has that of the sessions. */
function bmpOf({ bmp }: Settings, unit: string): Pick<RouterPolicy, 'bmp'> {
  if (!bmp) return {};
  const { address, port } = bmp.listen;
  return { bmp: { address: /^[0:.]+$/.test(address) ? unit : address, port } };
}
