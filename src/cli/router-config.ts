/** `headgate router-config`: the policy that a border router needs, in its own configuration language. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { parsePrefix } from '../core/base/prefix.ts';
import { assert } from '../core/base/result.ts';
import type { Settings } from '../core/settings/index.ts';
import { announcedMax, peeringsOf } from '../daemon/configure.ts';
import { beginMark, endMark } from '../router/section.ts';
import { type RouterKind, renderPolicy, routerKinds } from '../router/templates/index.ts';
import type { RouterPolicy } from '../router/templates/policy.ts';
import { UseError } from './face/exit.ts';
import { defaultSettingsFile, ownSettings, requireSettings } from './face/settings-file.ts';

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
    .option('-u, --unit <address>', 'our end of the session, where the settings do not name it')
    .action((router: string, options: Options) => {
      const settings = requireSettings(options.config);
      if (options.unit === undefined) refuseOthers(settings, router);
      process.stdout.write(renderPolicy(options.kind, policyFor(settings, router, options.unit)));
      const { driver } = settings.routers.find(({ name }) => name === router) ?? {};
      // Where the driver writes, and nowhere else.
      if (driver && options.kind === 'bird') process.stdout.write(`${beginMark}\n${endMark}\n`);
    });
}

/** Of several units each knows its own address alone. Throws UseError for a router of another one. */
export function refuseOthers(settings: Settings, router: string): void {
  const { unit } = settings.routers.find(({ name }) => name === router) ?? {};
  if (unit === undefined || ownSettings(settings).routers.some(({ name }) => name === router))
    return;
  throw new UseError(
    `router ${router} speaks with ${unit.join(' and ')}: run this there, or give that unit's address with --unit`,
  );
}

/** What the settings say of one router. Throws UseError when they do not say enough. */
export function policyFor(settings: Settings, name: string, unit?: string): RouterPolicy {
  const router = settings.routers.find((candidate) => candidate.name === name);
  if (!router) {
    const names = settings.routers.map((candidate) => candidate.name).join(', ');
    throw new UseError(`no router "${name}" in the settings; there are: ${names || 'none'}`);
  }
  const address = unit ?? router.bgp?.localAddress ?? settings.management.address;
  if (address === undefined)
    throw new UseError(
      'the settings do not name our address: set management.address or give --unit',
    );
  const egress = peeringsOf(settings).find((peering) => peering.name === name)?.egressAddress;
  return {
    router: router.name,
    asn: router.asn ?? settings.asn,
    unit: {
      address,
      asn: settings.asn,
      ...(egress === undefined ? {} : { egressAddress: egress }),
    },
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
    ...bmpOf(settings, address),
    ...(router.bgp?.md5 !== undefined ? { md5: router.bgp.md5 } : {}),
    ...(router.bgpCustomers ? { hasCustomers: true } : {}),
    addPath: router.bgp?.addPath ?? true,
    ...(router.bgp?.prepend === 'path' ? { takesOwnAs: true } : {}),
  };
}

/** Where routers reach our station: one that listens at every address has that of the sessions. */
function bmpOf({ bmp }: Settings, unit: string): Pick<RouterPolicy, 'bmp'> {
  if (!bmp) return {};
  const { address, port } = bmp.listen;
  return { bmp: { address: /^[0:.]+$/.test(address) ? unit : address, port } };
}
