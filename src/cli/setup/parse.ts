/** What options and answers of `headgate setup` mean; a mistake is an InvalidArgumentError that says what is right. */
import { InvalidArgumentError } from 'commander';
import { parsePrefix } from '../../core/base/prefix.ts';
import type { LinkAnswer, RouterAnswer, WireAnswer } from './render.ts';

export function parseAsn(text: string): number {
  const asn = Number(text);
  if (!(Number.isInteger(asn) && asn >= 1 && asn <= 4_294_967_295)) {
    throw new InvalidArgumentError('expected an AS number from 1 to 4294967295');
  }
  return asn;
}

export function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0 && seconds <= 600)) throw new InvalidArgumentError('expected 1 to 600 seconds');
  return seconds;
}

export function parseWire(text: string): WireAnswer {
  const match = /^([\w.-]+)=([^,]+),([^,]+?)(,link)?$/.exec(text);
  const [, name, inside, outside, link] = match ?? [];
  if (name === undefined || inside === undefined || outside === undefined) {
    throw new InvalidArgumentError('expected NAME=INSIDE,OUTSIDE or NAME=INSIDE,OUTSIDE,link');
  }
  return { name, inside, outside, place: link === undefined ? 'inside' : 'link' };
}

export function parseLink(text: string): LinkAnswer {
  const [name, asn, capacity, known] = text.split(',');
  if (!name || !asn || !capacity) {
    throw new InvalidArgumentError('expected NAME,ASN,CAPACITY, such as north,65001,10G');
  }
  const isMac = known !== undefined && /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(known);
  return {
    name,
    asn: parseAsn(asn),
    capacity,
    ...(known === undefined ? {} : isMac ? { mac: known } : { wire: known }),
  };
}

export function parseRouter(text: string): RouterAnswer {
  const [name, address] = text.split('=');
  if (!name || !address) throw new InvalidArgumentError('expected NAME=ADDRESS');
  return { name, address };
}

export function parseNetwork(text: string): string {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new InvalidArgumentError('expected a prefix such as 198.51.100.0/22');
  return text;
}
