/** Our part of an FRR configuration, as lines of its own, and the commands that lead from one state to another. Pure. */
import { assert } from '../../core/base/result.ts';
import type { Announcement } from '../../core/bgp/announcement.ts';
import { familyOf, ordered, type RouterIntent } from '../intent.ts';

/** All that is ours carries one of these: FRR keeps no comments, so they are the marks of our section. */
export const blockMapPrefix = 'HEADGATE-BLOCK-';
export const destinationTag = 26_727;

const families = [4, 6] as const;

/**
 * One line per block and destination: `network PREFIX route-map HEADGATE-BLOCK-…` and
 * `route PREFIX GATEWAY`. A route map is named by what it sets, so a block changes its bias by naming another map:
 * one command, without a moment in which it has none.
 */
export function renderFrrSection(intent: RouterIntent): string {
  return families
    .flatMap((family) => [
      ...ordered(intent.blocks, family).map((b) => `network ${b.prefix} route-map ${mapName(b)}\n`),
      ...ordered(intent.destinations, family).map((d) => `route ${d.prefix} ${d.gateway}\n`),
    ])
    .join('');
}

/** Our lines in what `show running-config` prints; all else is none of our business. */
export function parseRunningConfig(text: string): string {
  const network = new RegExp(`^ *(network \\S+ route-map ${blockMapPrefix}\\S+)$`, 'gm');
  const route = new RegExp(`^ip(?:v6)? route (\\S+) (\\S+) tag ${destinationTag}\\b`, 'gm');
  const lines = [
    ...[...text.matchAll(network)].map((match) => match[1] ?? ''),
    ...[...text.matchAll(route)].map((match) => `route ${match[1]} ${match[2]}`),
  ];
  // In the order of renderFrrSection: by family; within one FRR lists prefixes in their order as we do.
  const rank = (line: string) =>
    familyOf(line.split(' ')[1] ?? '') * 2 + (line.startsWith('network') ? 0 : 1);
  return lines
    .sort((a, b) => rank(a) - rank(b))
    .map((line) => `${line}\n`)
    .join('');
}

/** Names of our route maps in a running configuration. */
export function mapsIn(text: string): Set<string> {
  const names = text.matchAll(new RegExp(`^route-map (${blockMapPrefix}\\S+) `, 'gm'));
  return new Set([...names].map((match) => match[1] ?? ''));
}

/** Configuration commands that lead from one section to another; what is needed comes before what uses it. */
export function commandsFor(asn: number, from: string, to: string): string[] {
  const [before, after] = [linesOf(from), linesOf(to)];
  const gone = before.filter((line) => !after.includes(line));
  const come = after.filter((line) => !before.includes(line));
  const words = (line: string) => line.split(' ');
  const networks = (lines: readonly string[], family: 4 | 6) =>
    lines.filter((l) => l.startsWith('network') && familyOf(words(l)[1] ?? '') === family);
  const replaced = new Set(
    networks([...come], 4)
      .concat(networks([...come], 6))
      .map((l) => words(l)[1]),
  );
  const routes = (lines: readonly string[], no: '' | 'no ') =>
    lines
      .filter((line) => line.startsWith('route'))
      .map((line) => {
        const [, prefix = '', gateway = ''] = words(line);
        const word = familyOf(prefix) === 4 ? 'ip' : 'ipv6';
        return `${no}${word} route ${prefix} ${gateway} tag ${destinationTag}`;
      });
  const maps = new Set(come.filter((l) => l.startsWith('network')).map((l) => words(l)[3] ?? ''));
  return [
    ...[...maps].flatMap(renderMap),
    `router bgp ${asn}`,
    ...families.flatMap((family) => [
      `address-family ipv${family} unicast`,
      ...networks(come, family),
      ...networks(gone, family)
        .filter((line) => !replaced.has(words(line)[1]))
        .map((line) => `no network ${words(line)[1]}`),
      'exit-address-family',
    ]),
    'exit',
    ...routes(come, ''),
    ...routes(gone, 'no '),
  ];
}

/** Above the weight of the router's own inside route of the block (32768), else that one would be announced. */
const weight = 40_000;

function mapName(block: Announcement): string {
  assert(block.prepend === 0, 'a driver prepends by community, in the export policy');
  const parts = [
    ...block.largeCommunities.map((c) => c.join(':')),
    ...block.communities.map((c) => c.join(':')),
    ...(block.med === undefined ? [] : [`med${block.med}`]),
  ];
  return `${blockMapPrefix}${parts.join('+')}`;
}

/** The map that a name stands for. */
function renderMap(name: string): string[] {
  const parts = name.slice(blockMapPrefix.length).split('+').filter(Boolean);
  const colons = (part: string) => part.split(':').length - 1;
  const large = parts.filter((part) => colons(part) === 2);
  const standard = parts.filter((part) => colons(part) === 1);
  const med = parts.find((part) => part.startsWith('med'))?.slice(3);
  return [
    `route-map ${name} permit 10`,
    ...(large.length > 0 ? [`set large-community ${large.join(' ')}`] : []),
    ...(standard.length > 0 ? [`set community ${standard.join(' ')}`] : []),
    ...(med === undefined ? [] : [`set metric ${med}`]),
    `set weight ${weight}`,
    'exit',
  ];
}

const linesOf = (section: string): string[] => section.split('\n').filter((line) => line !== '');
