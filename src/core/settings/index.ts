export type { BlockSettings } from './blocks.ts';
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
