import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { HeadgateError } from '../../core/base/error.ts';
import type { Result } from '../../core/base/result.ts';
import {
  formatSettingsError,
  loadSettings,
  type Settings,
  type SettingsError,
} from '../../core/settings/index.ts';
import { ownPart, unitNameOf } from '../../daemon/units/cluster-settings.ts';

/** Where a package puts the settings. */
export const defaultSettingsFile = '/etc/headgate/headgate.yaml';

/** Reads and checks a settings file. Throws HeadgateError `no_settings` when it cannot be read. */
export function readSettings(file: string): Result<Settings, readonly SettingsError[]> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new HeadgateError('no_settings', `cannot read ${file}: ${reasonOf(cause)}`, { cause });
  }
  return loadSettings(text, file);
}

/** As above, for commands that can do nothing with wrong settings: the first mistake is the error. */
export function requireSettings(file: string): Settings {
  const loaded = readSettings(file);
  if (loaded.ok) return loaded.value;
  const [first, ...more] = loaded.error;
  const rest = more.length > 0 ? ` (and ${more.length} more: headgate check ${file})` : '';
  throw new HeadgateError('bad_settings', `${first ? formatSettingsError(first) : file}${rest}`);
}

/**
 * What of them concerns this machine: of several units the wires, routers and links of its own alone. Throws
 * HeadgateError `unknown_unit` where it is none of them.
 */
export function ownSettings(settings: Settings): Settings {
  return ownPart(settings, unitNameOf(settings, hostname()));
}

function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT') return 'there is no such file; name one with --config';
  if (code === 'EACCES') return 'no permission; run as root or as the unit’s user';
  return cause instanceof Error ? cause.message : String(cause);
}
