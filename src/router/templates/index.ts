import { renderBirdPolicy } from './bird.ts';
import { renderFrrPolicy } from './frr.ts';
import { renderIosPolicy } from './ios.ts';
import { renderIosxrPolicy } from './iosxr.ts';
import { renderJunosPolicy } from './junos.ts';
import { renderLinuxPolicy } from './linux.ts';
import type { RouterPolicy } from './policy.ts';

/** The routers whose language we speak; only what `frr`, `bird` and `linux` print runs in our tests. */
export const routerKinds = ['frr', 'bird', 'junos', 'iosxr', 'ios', 'linux'] as const;
export type RouterKind = (typeof routerKinds)[number];

const renderers: Readonly<Record<RouterKind, (policy: RouterPolicy) => string>> = {
  frr: renderFrrPolicy,
  bird: renderBirdPolicy,
  junos: renderJunosPolicy,
  iosxr: renderIosxrPolicy,
  ios: renderIosPolicy,
  linux: renderLinuxPolicy,
};

/** The policy that a border router needs for headgate, in its own configuration language. */
export const renderPolicy = (kind: RouterKind, policy: RouterPolicy): string =>
  renderers[kind](policy);
