export type { BlockSettings } from './blocks.ts';
export type { ClusterSettings } from './cluster.ts';
export { isOwnedBy, unitsOfLink } from './cluster-check.ts';
export { formatSettingsError, loadSettings, type Settings, type SettingsError } from './load.ts';
export type { NoticesSettings } from './notices.ts';
export type { PriceSettings } from './price.ts';
export type {
  AttributeSettings,
  GroupSettings,
  LinkSettings,
  Mode,
  RailsSettings,
  RouterSettings,
  WireSettings,
} from './schema.ts';
