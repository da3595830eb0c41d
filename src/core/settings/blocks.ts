import {
  comparePrefixes,
  covers,
  dividePrefix,
  formatPrefix,
  type Prefix,
  prefixOf,
} from '../base/prefix.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { PrefixText } from '../base/units.ts';
import type { Complaint } from './complaint.ts';
import type { ParsedSettings } from './schema.ts';

export interface BlockSettings {
  readonly prefix: PrefixText;
  readonly group?: string;
}

/** More cells than this would cost more memory per cycle than they are worth. */
const blocksMax = 100_000;

/** The blocks that settings name, or the networks divided: disjoint, in address order, with their groups. */
export function divideNetworks(
  settings: ParsedSettings,
): Result<readonly BlockSettings[], readonly Complaint[]> {
  const { blocks, networks } = settings;
  const divided: { readonly prefix: Prefix; readonly group?: string; readonly at: number }[] = [];
  const complaints: Complaint[] = [];
  if ('ipv4' in blocks) {
    for (const [at, network] of networks.map(prefixOf).entries()) {
      const length = network.family === 4 ? blocks.ipv4 : blocks.ipv6;
      if (length - network.length > 16) {
        complaints.push({
          path: ['blocks'],
          message: `dividing ${formatPrefix(network)} into /${length} gives more than 65536 blocks; use a shorter length or a list`,
        });
      } else {
        for (const part of dividePrefix(network, length)) divided.push({ prefix: part, at });
      }
    }
  } else {
    for (const [at, block] of blocks.entries()) {
      divided.push({ ...block, prefix: prefixOf(block.prefix), at });
    }
  }
  if (divided.length > blocksMax) {
    complaints.push({ path: ['blocks'], message: `expected at most ${blocksMax} blocks` });
  }
  divided.sort((a, b) => comparePrefixes(a.prefix, b.prefix));
  for (const [i, { prefix, at }] of divided.entries()) {
    const before = divided[i - 1]?.prefix;
    if (before && covers(before, prefix)) {
      complaints.push({
        path: 'ipv4' in blocks ? ['networks', at] : ['blocks', at],
        message: `${formatPrefix(prefix)} lies in ${formatPrefix(before)}; expected blocks that do not overlap`,
      });
    }
  }
  if (complaints.length > 0) return err(complaints);
  const groups = groupOf(settings);
  return ok(
    divided.map(({ prefix, group }) => {
      const text = formatPrefix(prefix);
      const named = group ?? groups.get(text);
      return named === undefined ? { prefix: text } : { prefix: text, group: named };
    }),
  );
}

function groupOf(settings: ParsedSettings): ReadonlyMap<PrefixText, string> {
  return new Map(
    settings.groups.flatMap((group) => group.blocks.map((block) => [block, group.name] as const)),
  );
}
