import type { RouterSettings, Settings } from '../core/settings/index.ts';

/**
 * The settings with the secrets that stand in files of their own. What is shown, recorded or compared are the
 * settings without; only what opens sessions gets these. `read` throws HeadgateError.
 */
export function withSecrets(settings: Settings, read: (file: string) => string): Settings {
  return { ...settings, routers: settings.routers.map((router) => routerWith(router, read)) };
}

function routerWith(router: RouterSettings, read: (file: string) => string): RouterSettings {
  const { bgp, snmp } = router;
  return {
    ...router,
    ...(bgp?.md5File === undefined ? {} : { bgp: { ...bgp, md5: read(bgp.md5File) } }),
    ...(snmp ? { snmp: snmpWith(snmp, read) } : {}),
  };
}

type Snmp = NonNullable<RouterSettings['snmp']>;

function snmpWith(snmp: Snmp, read: (file: string) => string): Snmp {
  if (snmp.version === '2c') {
    const { communityFile } = snmp;
    return communityFile === undefined ? snmp : { ...snmp, community: read(communityFile) };
  }
  const { authKeyFile, privacyKeyFile } = snmp;
  return {
    ...snmp,
    ...(authKeyFile === undefined ? {} : { authKey: read(authKeyFile) }),
    ...(privacyKeyFile === undefined ? {} : { privacyKey: read(privacyKeyFile) }),
  };
}
